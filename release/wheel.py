"""Writes the wheel of one target, which installs the program as a script.

    release/wheel.py TARGET FOLDER OUTPUT-FOLDER      FOLDER: the contents of the target's archive

maturin would compile the program again, and a wheel must have the program of the other packages.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

from archive import Entry, zipped

# A static program needs no C library, and Rust's oldest macOS is the one that is named here.
PLATFORMS = {
    "x86_64-unknown-linux-musl": "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "aarch64-unknown-linux-musl": "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    "x86_64-pc-windows-gnu": "win_amd64",
    "aarch64-apple-darwin": "macosx_11_0_arm64",
    "x86_64-apple-darwin": "macosx_10_12_x86_64",
}
LICENSES = ("LICENSE", "THIRD-PARTY-LICENSES")


def main():
    target, folder, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    package = _package()
    version, platform = package["version"], PLATFORMS[target]
    stem = f"yc_id_token-{version}"
    info = f"{stem}.dist-info"
    program = "yc-id-token.exe" if "windows" in target else "yc-id-token"
    found = [
        Entry(f"{stem}.data/scripts/{program}", (folder / program).read_bytes(), 0o755),
        *(Entry(f"{info}/licenses/{name}", (folder / name).read_bytes()) for name in LICENSES),
        Entry(f"{info}/METADATA", _metadata(package, (folder / "README.md").read_text()).encode()),
        Entry(f"{info}/WHEEL", _wheel(platform).encode()),
    ]
    record = f"{info}/RECORD"
    rows = [f"{entry.name},sha256={_digest(entry.content)},{len(entry.content)}" for entry in found]
    found.append(Entry(record, "".join(f"{row}\n" for row in [*rows, f"{record},,"]).encode()))
    (output / f"{stem}-py3-none-{platform}.whl").write_bytes(zipped(found))


def _package() -> dict:
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version=1"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    return next(package for package in packages if package["name"] == "yc-id-token")


def _metadata(package: dict, readme: str) -> str:
    repository = package["repository"]
    # The page of a package index is elsewhere.
    pages = f"]({repository}/blob/v{package['version']}/"
    readme = re.sub(r"\]\((?=[\w./-]+[)#])", pages, readme)
    headers = [
        "Metadata-Version: 2.4",
        "Name: yc-id-token",
        f"Version: {package['version']}",
        f"Summary: {package['description']}",
        f"License-Expression: {package['license']}",
        *(f"License-File: {name}" for name in LICENSES),
        f"Keywords: {','.join(package['keywords'])}",
        f"Project-URL: Source, {repository}",
        "Requires-Python: >=3.7",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(headers) + "\n\n" + readme


def _wheel(platform: str) -> str:
    tags = "".join(f"Tag: py3-none-{tag}\n" for tag in platform.split("."))
    return f"Wheel-Version: 1.0\nGenerator: yc-id-token\nRoot-Is-Purelib: false\n{tags}"


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
