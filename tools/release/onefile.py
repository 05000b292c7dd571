"""`make onefile`: FTL as one file that needs no Python, for this system and processor.

PyInstaller makes a folder of the program, its libraries and Python; a shell script in front of the compressed folder
unpacks it once (docs/decisions/0031-one-file-that-unpacks-once.md).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from ftl import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = Path(__file__).resolve().parent / "frozen"
UV = Path(sys.executable).parent / "uv"
LOCK = ROOT / "requirements-release.txt"

TIMEOUT = 1200
"""Seconds for one command: packages of a slow network, or PyInstaller on a busy machine."""

MTIME = 315532800
"""The time of all files, 1980-01-01: the same program is the same file."""


def main(folder: Path) -> int:
    """Build it into a folder."""
    with tempfile.TemporaryDirectory(prefix="ftl-onefile-") as temporary:
        program = freeze(Path(temporary))
        file = folder / f"ftl-{__version__}-{system()}"
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(one_file(program))
        file.chmod(0o755)
    library, version = platform.libc_ver()
    needs = f", for {library} {version} or newer" if library else ""
    print(f"onefile: {file.name} ({file.stat().st_size / 1e6:.0f} MB){needs}")
    return 0


def system() -> str:
    """System and processor: `linux-x86_64`, `macos-arm64`."""
    name = {"darwin": "macos"}.get(sys.platform, sys.platform)
    return f"{name}-{platform.machine()}"


def freeze(folder: Path) -> Path:
    """Make the program's folder, in an environment that has the locked packages and no other.

    All extras are part of it: nobody can install one into the file.
    """
    python = folder / "venv" / "bin" / "python"
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = {Requirement(each).name for extra in project["optional-dependencies"].values() for each in extra}
    # Sets are in the order of their hashes, also in compiled code.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "FTL_EXTRAS": ",".join(sorted(extras))}
    install = (UV, "pip", "install", "--quiet", "--python", python)
    for argv in (
        (UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"),
        (*install, "--require-hashes", "--requirement", LOCK),
        (*install, "--no-deps", "--no-cache", ROOT),
        (
            *(python, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", PARTS / "ftl.spec"),
            *("--distpath", folder / "dist", "--workpath", folder / "work"),
        ),
    ):
        subprocess.run(argv, check=True, env=environment, timeout=TIMEOUT)
    return folder / "dist" / "ftl"


def one_file(program: Path) -> bytes:
    """The launcher, and behind it the folder as an archive."""
    archive = pack(program, __version__)
    name = f"{__version__}-{hashlib.sha256(archive).hexdigest()[:12]}"
    archive = pack(program, name)
    text = (PARTS / "launcher.sh").read_text().replace("@NAME@", name)
    size = len(text) - len("@OFFSET@")
    offset = next(size + digits + 1 for digits in range(1, 9) if len(str(size + digits + 1)) == digits)
    return text.replace("@OFFSET@", str(offset)).encode() + archive


def pack(program: Path, name: str) -> bytes:
    """The folder under a name, as a compressed archive that depends on its content alone."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in (program, *sorted(program.rglob("*"))):
            archive.add(path, Path(name) / path.relative_to(program), recursive=False, filter=normalized)
    return packed.getvalue()


def normalized(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry without owner and time."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = MTIME
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
