# Logs in with the token in the file that AWS_WEB_IDENTITY_TOKEN_FILE names, and prints the user. See docs/mongodb.md.
from pymongo import MongoClient

client = MongoClient(
    "mongodb://mongodb.example:27017/?tls=true"
    "&authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s"
)
print(client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"][0]["user"])
