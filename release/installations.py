"""How each package is installed on this machine: `install` returns a command that runs the installed program."""

import json
import shlex
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from servers import AUDIENCE, Emulator

USER = 65532
QEMU = "/usr/bin/qemu-aarch64-static"
PROGRAM = "usr/bin/yc-id-token"


@dataclass
class Installation:
    command: Path  # runs the program with the settings of the emulator
    root: Path  # the folder that has usr/share/man and completions
    how: str


def install(artifact: Path, folder: Path, emulator: Emulator) -> Installation:
    """Installs a package below an empty folder."""
    root = folder / "root"
    root.mkdir(parents=True)
    foreign = "aarch64" in artifact.name or "arm64" in artifact.name
    maker = Maker(folder, root, emulator, [QEMU] if foreign else [])
    match artifact.suffixes[-1]:
        case ".gz":
            return maker.archive(artifact)
        case ".whl":
            return maker.wheel(artifact)
        case ".deb":
            return maker.deb(artifact)
        case ".rpm":
            return maker.rpm(artifact)
        case ".apk":
            return maker.apk(artifact)
    raise ValueError(artifact)


@dataclass
class Maker:
    folder: Path
    root: Path
    emulator: Emulator
    qemu: list[str]

    def archive(self, artifact: Path) -> Installation:
        with tarfile.open(artifact) as archive:
            archive.extractall(self.root)
        top = next(self.root.iterdir())
        return self._here(top / "yc-id-token", top, "unpacked")

    def wheel(self, artifact: Path) -> Installation:
        if self.qemu:
            # pip installs no wheel of another architecture into an environment.
            with zipfile.ZipFile(artifact) as archive:
                name = next(name for name in archive.namelist() if name.endswith("/scripts/yc-id-token"))
                archive.extract(name, self.root)
            (self.root / name).chmod(0o755)
            return self._here(self.root / name, self.root, "unpacked")
        _run("python3", "-m", "venv", self.root)
        _run(self.root / "bin/pip", "install", "--quiet", "--no-index", artifact)
        return self._here(self.root / "bin/yc-id-token", self.root, "pip, in a virtual environment")

    def deb(self, artifact: Path) -> Installation:
        if self.qemu:
            database = self.root / "var/lib/dpkg"
            for name in ("info", "updates", "triggers"):
                (database / name).mkdir(parents=True)
            (database / "status").touch()
            _run("dpkg", f"--root={self.root}", "--force-architecture", "--force-not-root", "--install", artifact)
            return self._chroot("dpkg, in an empty root", user=0)
        codename = _run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
        _run("debootstrap", "--variant=minbase", codename, self.root)
        (self.root / artifact.name).write_bytes(artifact.read_bytes())
        install = ("apt-get", "install", "--yes", "--no-install-recommends", f"./{artifact.name}")
        _run("chroot", self.root, *install)
        return self._chroot(f"apt-get, in a new Debian {codename}", user=0)

    def rpm(self, artifact: Path) -> Installation:
        _run("rpm", "--root", self.root, "--initdb")
        _run("rpm", "--root", self.root, "--ignorearch", "--nodeps", "--install", artifact)
        return self._chroot("rpm, in an empty root", user=0)

    def apk(self, artifact: Path) -> Installation:
        # Debian has no apk. The format is three concatenated tar.gz, which tar reads.
        _run("tar", "--extract", "--gzip", "--ignore-zeros", "--file", artifact, "--directory", self.root)
        return self._chroot("unpacked by tar into an empty root", user=0)

    def image(self, artifact: Path, architecture: str) -> Installation:
        """The layers of an image, run as the image's user with the image's certificate authorities."""
        _run("tar", "--extract", "--file", artifact, "--directory", self.folder)
        blob = lambda it: self.folder / "blobs" / it["digest"].replace(":", "/")
        read = lambda it: json.loads(blob(it).read_bytes())
        index = read(json.loads((self.folder / "index.json").read_bytes())["manifests"][0])
        found = next(it for it in index["manifests"] if it["platform"]["architecture"] == architecture)
        manifest = read(found)
        configuration = read(manifest["config"])["config"]
        assert configuration["User"] == f"{USER}:{USER}" and configuration["Entrypoint"] == [f"/{PROGRAM}"]
        for layer in manifest["layers"]:
            _run("tar", "--extract", "--gzip", "--same-owner", "--file", blob(layer), "--directory", self.root)
        installed = self._chroot(f"layers of {architecture}, as user {USER}", user=USER)
        self._trust_like_an_administrator(installed)
        return installed

    def _trust_like_an_administrator(self, installed: Installation):
        """The program uses the image's authorities: it rejects the emulator until they include the emulator's."""
        token = [installed.command, "token", f"--audience={AUDIENCE}", "--cache=none"]
        outcome = subprocess.run(token, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert outcome.returncode and "certificate" in outcome.stderr, outcome
        with open(self.root / "etc/ssl/certs/ca-certificates.crt", "a") as bundle:
            bundle.write(self.emulator.ca.read_text())

    def _here(self, program: Path, root: Path, how: str) -> Installation:
        home = self.folder / "home"
        self._home(home, 0)
        command = [*self.qemu, str(program)]
        return self._wrapper(f"exec {shlex.join(command)} \"$@\"", str(home), root, how)

    def _chroot(self, how: str, user: int) -> Installation:
        home = "/home/nonroot" if user else "/root"
        self._home(self.root / home[1:], user)
        (self.root / "proc").mkdir(exist_ok=True)
        if self.qemu:
            (self.root / QEMU[1:]).write_bytes(Path(QEMU).read_bytes())
            (self.root / QEMU[1:]).chmod(0o755)
        user_option = f"--userspec={user}:{user}"
        command = ["chroot", user_option, str(self.root), *self.qemu, f"/{PROGRAM}"]
        inner = f'mount -t proc proc {shlex.quote(str(self.root))}/proc && exec {shlex.join(command)} "$@"'
        return self._wrapper(f'exec unshare --mount sh -c {shlex.quote(inner)} sh "$@"', home, self.root, how)

    def _home(self, home: Path, user: int):
        """The user's folder, with a key."""
        home.mkdir(parents=True, exist_ok=True)
        for source in (self.emulator.key, self.emulator.ca):
            copy = home / source.name
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o600)
            _run("chown", f"{user}:{user}", copy)

    def _wrapper(self, line: str, home: str, root: Path, how: str) -> Installation:
        settings = {
            "HOME": home,
            "YC_ID_TOKEN_IAM_ENDPOINT": self.emulator.url,
            "YC_ID_TOKEN_KEY_FILE": f"{home}/key.json",
            "YC_ID_TOKEN_OAUTH_ENDPOINT": self.emulator.url,
            "YC_METADATA_ADDR": "127.0.0.1:1",
        }
        # An image has its own certificate authorities.
        if not (self.root / "etc/ssl/certs/ca-certificates.crt").exists():
            settings["YC_ID_TOKEN_CA_FILE"] = f"{home}/ca.pem"
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
        command = self.folder / "yc-id-token"
        command.write_text(f"#!/bin/sh\n{exports}{line}\n")
        command.chmod(0o755)
        return Installation(command, root, how + (", under QEMU" if self.qemu else ""))


def _run(*command) -> str:
    outcome = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if outcome.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}: {outcome.stdout}")
    return outcome.stdout
