"""A server with TLS, or without, before the emulator: it passes requests on, and answers in its own way.

    tls_front.py FOLDER EMULATOR CERTIFICATE ANSWER

Writes the authorities that its client is given to FOLDER/ca.pem, and its port to FOLDER/port.
"""

import datetime
import gzip
import http.client
import ipaddress
import pathlib
import socketserver
import ssl
import sys
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder, emulator, certificate, answer = sys.argv[1:]
folder = pathlib.Path(folder)
now = datetime.datetime.now(datetime.timezone.utc)


def issue(name, key, issuer=None, issuer_key=None, is_authority=False, address="127.0.0.1", days=365):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=400))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
    )
    return builder.sign(issuer_key or key, hashes.SHA256())


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def make():
    """The server's certificate and key, and what its client is given to trust."""
    p256 = ec.generate_private_key(ec.SECP256R1())
    p521 = ec.generate_private_key(ec.SECP521R1())
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = issue("authority", authority_key, is_authority=True)
    if certificate == "P-521 leaf":
        return issue("leaf", p521, authority, authority_key), p521, pem(authority)
    if certificate == "P-521 authority":
        authority = issue("authority", p521, is_authority=True)
        return issue("leaf", p256, authority, p521), p256, pem(authority)
    if certificate == "authority itself":
        return authority, authority_key, pem(authority)
    if certificate == "unknown authority":
        return issue("leaf", p256, authority, authority_key), p256, pem(issue("other", p521, is_authority=True))
    if certificate == "leaf itself":
        leaf = issue("leaf", p256, authority, authority_key)
    elif certificate == "expired leaf itself":
        leaf = issue("leaf", p256, authority, authority_key, days=-1)
    elif certificate == "other leaf itself":
        leaf = issue("leaf", p256, authority, authority_key, address="192.0.2.1")
    else:
        sys.exit(f"unknown certificate: {certificate}")
    return leaf, p256, pem(leaf)


class Front(socketserver.BaseRequestHandler):
    def handle(self):
        stream = self.request
        if context:
            try:
                stream = context.wrap_socket(stream, server_side=True)
            except (ssl.SSLError, OSError):
                return
        file = stream.makefile("rb")
        line = file.readline().decode().split()
        if not line:
            return
        headers = http.client.parse_headers(file)
        body = file.read(int(headers.get("content-length", 0)))
        place = urllib.parse.urlparse(emulator)
        behind = http.client.HTTPConnection(place.hostname, place.port)
        behind.request(line[0], line[1], body, {name: headers[name] for name in headers if name.lower() != "host"})
        reply = behind.getresponse()
        content = reply.read()
        head = {"content-type": reply.headers.get("content-type", "")}
        if answer == "gzip":
            content, head["content-encoding"] = gzip.compress(content), "gzip"
        elif answer == "byte order mark":
            content = b"\xef\xbb\xbf" + content
        elif answer == "cut short":
            content = content[:-4]
        if answer not in ("no goodbye", "cut short"):
            head["content-length"] = str(len(content))
        head["connection"] = "close"
        text = f"HTTP/1.1 {reply.status} {reply.reason}\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in head.items()) + "\r\n"
        stream.sendall(text.encode() + content)
        # The socket is closed without TLS's close_notify.
        file.close()
        stream.close()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


context = None
if certificate != "none":
    leaf, key, trusted = make()
    (folder / "leaf.pem").write_text(pem(leaf) + key_pem(key))
    (folder / "ca.pem").write_text(trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
server = Server(("127.0.0.1", 0), Front)
(folder / "port.new").write_text(str(server.server_address[1]))
(folder / "port.new").rename(folder / "port")
threading.Thread(target=sys.stdin.read, daemon=True).start()
server.serve_forever()
