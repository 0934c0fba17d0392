"""The servers that an installed program talks to: Yandex Cloud's emulator, a Kubernetes API server, and an AWS STS."""

import base64
import json
import os
import re
import ssl
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

AUDIENCE = "https://k8s.example"


class Emulator:
    """The emulator of a debug build, with HTTPS."""

    def __init__(self, folder: Path):
        build = ["cargo", "build", "--quiet", "--locked", "--features", "emulator"]
        subprocess.run(build, check=True)
        program = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/yc-id-token"
        self.key, self.ca = folder / "key.json", folder / "ca.pem"
        command = [program, "emulator", "--tls", "--directory", folder]
        environment = {"PATH": os.environ["PATH"], "YC_METADATA_ADDR": "127.0.0.1:1"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        text = ""
        for line in self.process.stdout:
            text += line
            if line.startswith("Then try:"):
                break
        self.url = re.search(r"https://\S+", text)[0]
        self.account = re.search(r"Service account +(\S+)", text)[1]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class ApiServer:
    """Accepts an ID token for its audience, and returns the user of it."""

    def __init__(self, folder: Path):
        certificate, key = folder / "api-server.pem", folder / "api-server-key.pem"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1".split()
        alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-out", certificate, "-keyout", key]
        subprocess.run([*command, *alternative, *files], check=True, capture_output=True)
        self.certificate = certificate
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), SelfSubjectReview)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()


class SelfSubjectReview(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        claims = _claims(self.headers.get("Authorization", "").removeprefix("Bearer "))
        known = claims.get("aud") == AUDIENCE
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
            "status": {"userInfo": {"username": f"yandex:{claims.get('sub')}"}},
        }
        body = json.dumps(review if known else {}).encode()
        self.send_response(201 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Moto:
    """moto, which answers as AWS does."""

    def __init__(self, peers: Path):
        self.url = f"http://127.0.0.1:{_free_port()}"
        command = [peers / "aws-venv/bin/moto_server", "--host=127.0.0.1", f"--port={self.url.split(':')[-1]}"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def _claims(token: str) -> dict:
    try:
        payload = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}


def _free_port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return server.server_port
