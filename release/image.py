"""Writes an image of the Open Container Initiative for several architectures, as an archive of its layout.

    release/image.py OUTPUT VERSION CERTIFICATES ARCHITECTURE=PROGRAM...

The image has the program, the certificate authorities of CERTIFICATES and the user 65532, and nothing else.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from archive import EPOCH, Entry, compressed, tar

USER = 65532
HOME = "/home/nonroot"
PROGRAM = "/usr/bin/yc-id-token"
MEDIA = "application/vnd.oci.image"
CREATED = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))


class Blobs:
    """The contents of an image, by digest."""

    def __init__(self):
        self.entries: dict[str, Entry] = {}

    def add(self, kind: str, content: bytes, **more) -> dict:
        """Returns the descriptor of this content."""
        name = hashlib.sha256(content).hexdigest()
        self.entries[name] = Entry(f"blobs/sha256/{name}", content)
        return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{name}", "size": len(content), **more}

    def add_json(self, kind: str, document: dict, **more) -> dict:
        return self.add(kind, _json(document), **more)


def main():
    output, version, certificates = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    programs = dict(it.split("=", 1) for it in sys.argv[4:])
    blobs = Blobs()
    base = tar(_base(certificates.read_bytes()))
    manifests = [
        _manifest(blobs, version, architecture, base, Path(program).read_bytes())
        for architecture, program in sorted(programs.items())
    ]
    index = {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": manifests}
    name = {"org.opencontainers.image.ref.name": version}
    top = {**index, "manifests": [blobs.add_json("index.v1+json", index, annotations=name)]}
    layout = [
        Entry("oci-layout", _json({"imageLayoutVersion": "1.0.0"})),
        Entry("index.json", _json(top)),
        *(entry for _, entry in sorted(blobs.entries.items())),
    ]
    output.write_bytes(tar(layout))


def _base(certificates: bytes) -> list[Entry]:
    """The files besides the program, which are the same for all architectures and versions."""
    home = HOME.removeprefix("/")
    return [
        Entry("etc/", mode=0o755),
        Entry("etc/group", f"root:x:0:\nnonroot:x:{USER}:\n".encode()),
        Entry("etc/passwd", f"root:x:0:0::/:\nnonroot:x:{USER}:{USER}::{HOME}:\n".encode()),
        Entry("etc/ssl/", mode=0o755),
        Entry("etc/ssl/certs/", mode=0o755),
        Entry("etc/ssl/certs/ca-certificates.crt", certificates),
        Entry("home/", mode=0o755),
        Entry(f"{home}/", mode=0o700, owner=USER),
        Entry("tmp/", mode=0o1777),
    ]


def _manifest(blobs: Blobs, version: str, architecture: str, base: bytes, program: bytes) -> dict:
    """Adds the image of one architecture, and returns its descriptor."""
    folders = [Entry("usr/", mode=0o755), Entry("usr/bin/", mode=0o755)]
    layers = [base, tar([*folders, Entry(PROGRAM.removeprefix("/"), program, 0o755)])]
    platform = {"architecture": architecture, "os": "linux"}
    if architecture == "arm64":
        platform["variant"] = "v8"
    labels = {
        "org.opencontainers.image.created": CREATED,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.title": "yc-id-token",
        "org.opencontainers.image.version": version,
    }
    configuration = {
        "created": CREATED,
        **platform,
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin", f"HOME={HOME}"],
            "Entrypoint": [PROGRAM],
            "WorkingDir": HOME,
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}" for layer in layers]},
        "history": [
            {"created": CREATED, "created_by": "certificate authorities and user"},
            {"created": CREATED, "created_by": "program"},
        ],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": blobs.add_json("config.v1+json", configuration),
        "layers": [blobs.add("layer.v1.tar+gzip", compressed(layer)) for layer in layers],
        "annotations": labels,
    }
    return blobs.add_json("manifest.v1+json", manifest, platform=platform)


def _json(document: dict) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
