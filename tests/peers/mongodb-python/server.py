# As much of a MongoDB server as a login by MONGODB-OIDC and the command `connectionStatus` use ("MongoDB Wire Protocol",
# "Authentication specification"). It verifies the token with the keys of the issuer.
#
#     server.py JWKS_URL PROVIDER USER
#
# PROVIDER is one of `oidcIdentityProviders`, as JSON. Prints its port.
import json
import socketserver
import struct
import sys

import bson
import jwt

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

jwks_url, provider, user = sys.argv[1:]
provider = json.loads(provider)


def log_in(token):
    try:
        key = jwt.PyJWKClient(jwks_url).get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=provider["audience"], issuer=provider["issuer"])
    except jwt.PyJWTError:
        return None
    name = f"{provider['authNamePrefix']}/{claims['sub']}"
    return name if name == user else None


class Connection(socketserver.StreamRequestHandler):
    name = None

    def answer(self, command):
        kind = next(iter(command)).lower()
        if kind in ("hello", "ismaster"):
            return {"ismaster": True, "helloOk": True, "minWireVersion": 0, "maxWireVersion": 25, "ok": 1}
        if kind == "saslstart" and command["mechanism"] == "MONGODB-OIDC":
            self.name = log_in(bson.decode(command["payload"])["jwt"])
            if self.name is None:
                return {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
            return {"conversationId": 1, "done": True, "payload": b"", "ok": 1}
        if kind == "connectionstatus" and self.name:
            users = [{"user": self.name, "db": "$external"}]
            return {"authInfo": {"authenticatedUsers": users}, "ok": 1}
        return {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": f"{kind} requires authentication"}

    def handle(self):
        while head := self.rfile.read(16):
            length, number, _, operation = struct.unpack("<4i", head)
            body = self.rfile.read(length - 16)
            # Behind the flags is the name of a collection and two numbers, or the kind of the first section.
            start = body.index(0, 4) + 9 if operation == OP_QUERY else 5
            size = struct.unpack_from("<i", body, start)[0]
            document = bson.encode(self.answer(bson.decode(body[start : start + size])))
            if operation == OP_QUERY:
                document = struct.pack("<iqii", 8, 0, 0, 1) + document
            else:
                document = struct.pack("<iB", 0, 0) + document
            kind = OP_REPLY if operation == OP_QUERY else OP_MSG
            self.wfile.write(struct.pack("<4i", 16 + len(document), 0, number, kind) + document)


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
