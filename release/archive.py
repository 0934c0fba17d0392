"""Archives whose bytes depend only on the names, modes and contents of their files.

    release/archive.py FOLDER OUTPUT      the folder as OUTPUT, a .tar.gz or a .zip
"""

import gzip
import io
import os
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])


@dataclass(order=True)
class Entry:
    name: str
    content: bytes | None = None  # None for a folder
    mode: int = 0o644
    owner: int = 0


def entries(folder: Path) -> list[Entry]:
    """The files of a folder, under the folder's name. Their modes do not depend on the umask."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            mode = 0o755 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o644
            found.append(Entry(str(path.relative_to(folder.parent)), path.read_bytes(), mode))
    return found


def tar(found: list[Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in found:
            info = tarfile.TarInfo(entry.name)
            info.mtime, info.mode, info.uid, info.gid = EPOCH, entry.mode, entry.owner, entry.owner
            info.type = tarfile.DIRTYPE if entry.content is None else tarfile.REGTYPE
            info.size = len(entry.content or b"")
            archive.addfile(info, io.BytesIO(entry.content or b""))
    return buffer.getvalue()


def compressed(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def zipped(found: list[Entry]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for entry in found:
            info = zipfile.ZipInfo(entry.name, time.gmtime(EPOCH)[:6])
            info.create_system = 3  # Unix, so that the mode counts
            info.external_attr = (0o100000 | entry.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.content)
    return buffer.getvalue()


def main():
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    found = entries(folder)
    output.write_bytes(zipped(found) if output.suffix == ".zip" else compressed(tar(found)))


if __name__ == "__main__":
    main()
