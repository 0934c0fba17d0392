"""The crates in the binaries of a release."""

import json
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = "yc-id-token"
TARGETS = (
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-pc-windows-gnu",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
)


@dataclass
class Crate:
    name: str
    version: str
    license: str
    folder: Path
    checksum: str | None  # None for the crates of this repository
    needs: set[str] = field(default_factory=set)  # identifiers

    @property
    def identifier(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def purl(self) -> str:
        return f"pkg:cargo/{self.name}@{self.version}"


def crates() -> dict[str, Crate]:
    """Crates by identifier, sorted. Without those that are only compiled in, such as procedural macros."""
    lock = tomllib.loads(Path("Cargo.lock").read_text())
    checksums = {f"{it['name']}@{it['version']}": it.get("checksum") for it in lock["package"]}
    known = {}
    for package in json.loads(_cargo("metadata", "--format-version=1"))["packages"]:
        identifier = f"{package['name']}@{package['version']}"
        folder = Path(package["manifest_path"]).parent
        # An old way to write it, which SPDX does not know.
        license = package["license"].replace("/", " OR ")
        known[identifier] = Crate(
            package["name"], package["version"], license, folder, checksums[identifier]
        )
    found = {}
    for target in TARGETS:
        for identifier, needs in _tree(target):
            found.setdefault(identifier, known[identifier]).needs |= needs
    return dict(sorted(found.items()))


def _tree(target: str):
    """Each crate with the crates that it needs."""
    options = (f"--package={ROOT}", "--edges=normal,no-proc-macro", f"--target={target}", "--no-dedupe")
    lines = _cargo("tree", *options, "--prefix=depth", "--format= {p}").splitlines()
    needs: dict[str, set[str]] = {}
    parents: list[str] = []
    for line in lines:
        depth, name, version = line.split()[:3]
        identifier = f"{name}@{version.removeprefix('v')}"
        del parents[int(depth) :]
        needs.setdefault(identifier, set())
        if parents:
            needs[parents[-1]].add(identifier)
        parents.append(identifier)
    return needs.items()


def _cargo(*arguments: str) -> str:
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
