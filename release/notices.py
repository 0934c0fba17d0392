"""Prints the licences of everything that is in the binaries: crates, Rust's standard library, C library.

    release/notices.py >THIRD-PARTY-LICENSES
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from dependencies import crates

RULE = "=" * 80
NAMES = re.compile(r"licen[sc]e|copying|copyright|notice|unlicense", re.IGNORECASE)
# musl is linked into a program for Linux. Rust has the text of its licence, without the names.
MUSL = "2005-2020 Rich Felker, et al."


class Text(HTMLParser):
    """The text of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str):
        self.text += data


def main():
    found = [crate for crate in crates().values() if crate.checksum]
    print("yc-id-token contains the software below. Each licence is followed by the crates that have it.\n")
    for crate in found:
        print(f"{crate.name} {crate.version}: {crate.license}")
    users: dict[str, list[str]] = {}
    texts = {}
    for crate in found:
        files = sorted(file for file in crate.folder.iterdir() if file.is_file() and NAMES.match(file.name))
        if not files:
            sys.exit(f"release/notices.py: {crate.identifier} has no licence file")
        for file in files:
            text = file.read_text(errors="replace").strip("\n")
            key = " ".join(text.split())
            texts.setdefault(key, text)
            users.setdefault(key, []).append(crate.name)
    for key, text in texts.items():
        section(", ".join(dict.fromkeys(users[key])), text)
    rust = Path(output("rustc", "--print", "sysroot")) / "share/doc/rust"
    mit = (rust / "licenses/MIT.txt").read_text().strip()
    section("musl", mit.replace("<year> <copyright holders>", MUSL))
    page = Text((rust / "COPYRIGHT-library.html").read_text()).text
    section("Rust's standard library", re.sub(r"\n\s*\n+", "\n\n", page).strip())


def section(name: str, text: str):
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    print(f"\n{RULE}\n{name}\n{RULE}\n\n{lines}")


def output(*command: str) -> str:
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


if __name__ == "__main__":
    main()
