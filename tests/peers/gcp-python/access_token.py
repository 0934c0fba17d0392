# Gets an access token by the credential configuration that GOOGLE_APPLICATION_CREDENTIALS names, as every program that
# uses google-auth does, but from a copy of Google's servers. `google.auth.default` would also look up the
# project, at a server that its configuration does not name.
#
#     access_token.py URL [interactive]
#
# The interactive mode is for workforce pools, so it ends before the exchange: the subject token is printed.
import json
import os
import sys

from google.auth import exceptions, identity_pool, pluggable
from google.auth.transport.requests import Request

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]

url, *interactive = sys.argv[1:]
with open(os.environ["GOOGLE_APPLICATION_CREDENTIALS"], encoding="utf-8") as file:
    text = file.read()
for host in ["sts.googleapis.com", "iamcredentials.googleapis.com"]:
    text = text.replace(f"https://{host}", url)
configuration = json.loads(text)
try:
    if interactive:
        credentials = pluggable.Credentials.from_info(configuration, interactive=True)
        print(credentials.retrieve_subject_token(Request()))
    else:
        is_executable = "executable" in configuration["credential_source"]
        kind = pluggable if is_executable else identity_pool
        credentials = kind.Credentials.from_info(configuration, scopes=SCOPES)
        credentials.refresh(Request())
        print(credentials.token)
except exceptions.GoogleAuthError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
