# Writes the file for authentication_openid_connect_configuration, from the public keys of the issuer. See docs/mysql.md.
#
#     python3 configure.py https://auth.yandex.cloud/oauth/jwks/keys https://auth.yandex.cloud >providers.json
import json
import sys
import urllib.request

keys_url, issuer = sys.argv[1:]
with urllib.request.urlopen(keys_url) as answer:
    keys = json.load(answer)["keys"]
# MySQL knows one key for each provider.
names = ["yandex-cloud", *(f"yandex-cloud-{number}" for number in range(2, len(keys) + 1))]
print(json.dumps({name: json.dumps({"name": issuer, **key}) for name, key in zip(names, keys)}))
