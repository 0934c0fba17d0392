# Gets keys of the role, and prints the ID of the access key. See docs/alibaba.md.
from alibabacloud_credentials.client import Client

print(Client().get_credential().access_key_id)
