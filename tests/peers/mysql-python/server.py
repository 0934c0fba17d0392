# As much of a MySQL server as a login by `authentication_openid_connect` and one query use ("Client/Server Protocol"). It
# verifies the token as MySQL Enterprise does: signature, `iss`, `sub` and `exp`, but not `aud`.
#
#     server.py CONFIGURATION AUTHENTICATION_STRING FOLDER
#
# CONFIGURATION is the file of `authentication_openid_connect_configuration`, AUTHENTICATION_STRING what `CREATE USER` has.
# Writes the certificate that clients trust to FOLDER/ca.pem. Prints its port.
import datetime
import ipaddress
import json
import pathlib
import socketserver
import ssl
import struct
import sys

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PLUGIN = b"authentication_openid_connect_client"
# LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, SSL, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH, PLUGIN_AUTH_LENENC.
CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x800 | 0x2000 | 0x8000 | 0x80000 | 0x200000
OK = b"\0\0\0\2\0\0\0"
EOF = b"\xfe\0\0\2\0"

configuration, authentication, folder = sys.argv[1:]
providers = json.loads(pathlib.Path(configuration).read_text())
authentication = json.loads(authentication)
provider = json.loads(providers[authentication["identity_provider"]])


def write_certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mysql")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    ca = pathlib.Path(folder, "ca.pem")
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encryption = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    pathlib.Path(folder, "server-key.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, pathlib.Path(folder, "server-key.pem"))
    return context


def may_log_in(token):
    try:
        key = jwt.PyJWK(provider, algorithm="RS256")
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer=provider["name"], options={"verify_aud": False})
    except jwt.PyJWTError:
        return False
    return claims["sub"] == authentication["user"]


def text(value):
    return bytes([len(value)]) + value


class Connection(socketserver.BaseRequestHandler):
    def read(self):
        head = self.exactly(4)
        self.sequence = head[3] + 1
        return self.exactly(int.from_bytes(head[:3], "little"))

    def exactly(self, length):
        data = b""
        while len(data) < length:
            part = self.request.recv(length - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def write(self, *packets):
        for packet in packets:
            self.request.sendall(len(packet).to_bytes(3, "little") + bytes([self.sequence % 256]) + packet)
            self.sequence += 1

    def handle(self):
        try:
            self.converse()
        except (ConnectionError, ssl.SSLError):
            pass

    def converse(self):
        self.sequence = 0
        low, high = struct.pack("<H", CAPABILITIES & 0xFFFF), struct.pack("<H", CAPABILITIES >> 16)
        greeting = b"\x0a9.5.0\0" + struct.pack("<I", 1) + b"12345678\0" + low + b"\xff\2\0" + high
        self.write(greeting + b"\x15" + bytes(10) + b"123456789012\0caching_sha2_password\0")
        self.read()
        self.request = context.wrap_socket(self.request, server_side=True)
        user = self.read()[32:].split(b"\0")[0]
        self.write(b"\xfe" + PLUGIN + b"\0\0")
        answer = self.read()
        # The capability flag, and a string with its length in 1 or 3 bytes.
        token = answer[4:] if answer[1] == 0xFC else answer[2:]
        if not may_log_in(token.decode()):
            message = b"Access denied for user '" + user + b"'@'localhost'"
            self.write(b"\xff" + struct.pack("<H", 1045) + b"#28000" + message)
            return
        self.write(OK)
        while True:
            command = self.read()
            if command[:1] == b"\1":
                return
            if not command[1:].lower().startswith(b"select current_user"):
                self.write(OK)
                continue
            kind = b"\x0c" + struct.pack("<HIBHB", 255, 1024, 253, 0, 0) + b"\0\0"
            column = text(b"def") + text(b"") * 3 + text(b"current_user()") + text(b"") + kind
            self.write(b"\1", column, EOF, text(user + b"@%"), EOF)


context = write_certificate()
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
