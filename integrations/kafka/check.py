# Connects with the token in the file that KAFKA_TOKEN_FILE names, and prints the brokers. See docs/kafka.md.
import base64
import json
import os

from confluent_kafka.admin import AdminClient


def read_token(_):
    with open(os.environ["KAFKA_TOKEN_FILE"], encoding="utf-8") as file:
        token = file.read()
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return token, claims["exp"], claims["sub"], {}


client = AdminClient(
    {
        "bootstrap.servers": "kafka.example:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": read_token,
    }
)
print(*client.list_topics(timeout=10).brokers.values())
