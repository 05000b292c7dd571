"""`make package`: wheel, source distribution, and recipes for Homebrew and Arch.

The recipes are written here and not kept in the repository: they consist of what a release has anyway (metadata, locked
versions, the digest of the source) and of addresses at which the package index has it, which the lock does not name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

from tools.release.__main__ import sha256
from tools.release.recipes import Package, Source, formula, pkgbuild, srcinfo

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parent.parent.parent
UV = Path(sys.executable).parent / "uv"
LOCK = "requirements-dev.txt"
"""The locked versions: those that the tests ran with."""

TIMEOUT = 600
"""Seconds for one command: an answer of a slow network."""


def main(folder: Path) -> int:
    """Write all of it into a folder."""
    build = ("build", "--quiet", "--python", sys.executable, "--no-build-isolation", "--out-dir", str(folder))
    if uv(*build) is None:
        return 1
    (folder / ".gitignore").unlink(missing_ok=True)
    lock = uv(
        *("pip", "compile", "--quiet", "--universal", "--format", "pylock.toml", "--no-header"),
        *("--constraints", LOCK, "pyproject.toml"),
    )
    if lock is None:
        print(
            "package: without the recipes: the package index does not say where dependencies are",
            file=sys.stderr,
        )
        return 1
    (source,) = sorted(folder.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)[-1:]
    package = describe(source, lock)
    for name, text in {
        "homebrew/ftl-deploy.rb": formula(package),
        "aur/PKGBUILD": pkgbuild(package),
        "aur/.SRCINFO": srcinfo(package),
    }.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return 0


def uv(*arguments: str) -> str | None:
    """Output of uv, or None where it failed and has said why."""
    done = subprocess.run(
        (UV, *arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False
    )
    return done.stdout if done.returncode == 0 else None


def describe(source: Path, lock: str) -> Package:
    """The package of a source distribution, from its own metadata and a lock (PEP 751)."""
    metadata = read_metadata(source)
    sources = tuple(
        Source(each["name"], each["sdist"]["url"], each["sdist"]["hashes"]["sha256"], each.get("marker", ""))
        for each in tomllib.loads(lock)["packages"]
    )
    name = metadata["Name"]
    # The index has it beside the dependencies, at an address that is known before the upload.
    host = sources[0].url.partition("/packages/")[0]
    return Package(
        name=name,
        version=metadata["Version"],
        summary=metadata["Summary"].partition(":")[0],
        license=metadata["License-Expression"],
        homepage=os.environ.get("HOMEPAGE") or homepage(origin()),
        source=Source(name, f"{host}/packages/source/{name[0]}/{name}/{source.name}", sha256(source), ""),
        pythons=tuple(
            found[1]
            for each in metadata.get_all("Classifier", ())
            if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each))
        ),
        requires_python=metadata["Requires-Python"],
        requirements=tuple(each for each in metadata.get_all("Requires-Dist", ()) if "extra ==" not in each),
        sources=sources,
    )


def read_metadata(source: Path) -> Message:
    """Core metadata (PKG-INFO) of a source distribution."""
    with tarfile.open(source) as archive:
        file = archive.extractfile(f"{source.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert file is not None
        return message_from_bytes(file.read())


def origin() -> str:
    """Address of the git repository's origin, or nothing."""
    done = subprocess.run(
        ("git", "remote", "get-url", "origin"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.stdout.strip()


def homepage(remote: str) -> str:
    """Web page of a git remote, `git@HOST:OWNER/NAME.git` or its URL; else a placeholder, that of docs/how-to/ci.md."""
    found = re.fullmatch(
        r"(?:https://|ssh://)?(?:[\w.-]+@)?([\w.-]+\.[a-z]+)(?::\d+)?[:/](.+?)(?:\.git)?/?", remote
    )
    return f"https://{found[1]}/{found[2]}" if found else "https://github.com/OWNER/ftl"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
