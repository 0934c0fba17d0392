# Gets an access token of Azure Resource Manager by AZURE_FEDERATED_TOKEN_FILE. See docs/azure.md.
from azure.identity import WorkloadIdentityCredential

token = WorkloadIdentityCredential().get_token("https://management.azure.com/.default")
print("an access token until", token.expires_on)
