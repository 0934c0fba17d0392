"""A client of boto3, for the tests to run. Who it is and where S3 is, it learns as every such program does:
from AWS_PROFILE, AWS_ENDPOINT_URL and their like.

    put_get.py BUCKET KEY TEXT   writes an object and prints what it then reads back
    put_get.py --credentials     asks for its credentials fifty times, as fifty requests would, and prints the
                                 different access keys that it was given, in the order of their coming
    put_get.py --rotations N     asks for its credentials until it has been given N different access keys, and prints
                                 them in the order of their coming
"""

import sys
import time

import boto3
from botocore.config import Config


def put_get(bucket, key, text):
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    print(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())


def credentials():
    provided = boto3.Session().get_credentials()
    keys = [provided.get_frozen_credentials().access_key for _ in range(50)]
    print(*dict.fromkeys(keys), sep="\n")


def rotations(number):
    provided = boto3.Session().get_credentials()
    keys = {}
    end = time.monotonic() + 60
    while len(keys) < number and time.monotonic() < end:
        keys[provided.get_frozen_credentials().access_key] = None
        time.sleep(0.05)
    print(*keys, sep="\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rotations"]:
        rotations(int(sys.argv[2]))
    elif sys.argv[1:] == ["--credentials"]:
        credentials()
    elif len(sys.argv) == 4:
        put_get(*sys.argv[1:])
    else:
        sys.exit(__doc__)
