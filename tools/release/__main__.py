"""`make release VERSION=1.2.3`: everything of a release but the upload.

All of it happens in a temporary worktree. The branch moves, and the tag is made, when everything has been built: a
release that fails leaves nothing but a message.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.release.versions import Changelog, ReleaseError, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Build = Callable[[Path, Path], None]

CHANGELOG = Path("CHANGELOG.md")
VERSION_FILE = Path("src/ftl/__init__.py")
SUMS = "SHA256SUMS"

TIMEOUT = 1800
"""Seconds for one command: the one-file is built from packages of a slow network, on a busy machine."""

_VERSION_LINE = re.compile(r'^__version__ = "(.*)"$', re.M)


def main(arguments: Sequence[str]) -> int:
    """Release; 1 with a sentence if it must not be."""
    try:
        version = Version.parse(arguments[0] if arguments else "")
        target = release(Path.cwd(), version)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print(f"release: committed and tagged v{version}; files to upload, with {SUMS}: {target}")
    print(f"release: next: `git push origin HEAD v{version}`, then upload them")
    return 0


def release(root: Path, version: Version, builds: Sequence[Build] | None = None) -> Path:
    """Commit, build and tag a version.

    Args:
        root: The repository.
        version: The new version.
        builds: Each writes files of a worktree into a folder; default is all there are.

    Returns:
        The folder of the files: dist/VERSION.

    Raises:
        ReleaseError: It must not be released, or something failed. The repository is then as it was.
    """
    changelog = check(root, version)
    target = root / "dist" / str(version)
    with worktree(root) as tree, tempfile.TemporaryDirectory(prefix="ftl-dist-") as temporary:
        built = Path(temporary) / "files"
        built.mkdir()
        commit = write(tree, changelog, version, docs=builds is None)
        for build in (package, site, onefile) if builds is None else builds:
            build(tree, built)
        write_sums(built)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(built, target)
        publish(root, changelog, version, commit)
    return target


# --- checks ----------------------------------------------------------------------------------


def check(root: Path, version: Version) -> Changelog:
    """Check that the repository can be released as this version.

    Raises:
        ReleaseError: It cannot.
    """
    if changed := run(root, "git", "status", "--porcelain"):
        raise ReleaseError(
            f"the tree is not clean ({changed.splitlines()[0].strip()}): commit or stash first"
        )
    if run(root, "git", "tag", "--list", f"v{version}"):
        raise ReleaseError(f"the tag v{version} exists: `git tag -d v{version}` if it was never pushed")
    changelog = Changelog.parse((root / CHANGELOG).read_text())
    changelog.check(version)
    match = _VERSION_LINE.search((root / VERSION_FILE).read_text())
    if match is None or match[1] != str(changelog.last):
        raise ReleaseError(
            f"{VERSION_FILE} says {match[1] if match else 'no version'}, and the changelog's last is {changelog.last}"
        )
    return changelog


# --- the commit ------------------------------------------------------------------------------


@contextmanager
def worktree(root: Path) -> Iterator[Path]:
    """A temporary worktree of HEAD: what is built has no file that git does not have."""
    with tempfile.TemporaryDirectory(prefix="ftl-release-") as folder:
        tree = Path(folder) / "ftl"
        run(root, "git", "worktree", "add", "--quiet", "--detach", str(tree))
        try:
            yield tree
        finally:
            run(root, "git", "worktree", "remove", "--force", str(tree))


def write(tree: Path, changelog: Changelog, version: Version, *, docs: bool) -> str:
    """Commit the version, the changelog and the pages that name the version.

    Returns:
        The commit.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    (tree / CHANGELOG).write_text(changelog.released(version, today))
    file = tree / VERSION_FILE
    file.write_text(_VERSION_LINE.sub(f'__version__ = "{version}"', file.read_text()))
    if docs:
        python(tree, "tools.reference")
    run(tree, "git", "commit", "--quiet", "--all", "--no-verify", "--message", f"release: {version}")
    return run(tree, "git", "rev-parse", "HEAD").strip()


def publish(root: Path, changelog: Changelog, version: Version, commit: str) -> None:
    """Tag the commit, and move the branch to it."""
    message = f"FTL {version}\n{changelog.unreleased.rstrip()}\n"
    run(
        root,
        "git",
        "tag",
        "--annotate",
        "--cleanup=verbatim",
        "--file=-",
        f"v{version}",
        commit,
        text=message,
    )
    try:
        run(root, "git", "merge", "--quiet", "--ff-only", commit)
    except ReleaseError:  # somebody committed meanwhile
        run(root, "git", "tag", "--delete", f"v{version}")
        raise


# --- files -----------------------------------------------------------------------------------


def package(tree: Path, folder: Path) -> None:
    """The wheel, the source distribution and the recipes."""
    python(tree, "tools.release.package", str(folder))


def onefile(tree: Path, folder: Path) -> None:
    """The self-contained file for this machine's system and processor."""
    python(tree, "tools.release.onefile", str(folder))


def site(tree: Path, folder: Path) -> None:
    """The documentation's site, as one archive."""
    python(tree, "tools.site", str(tree / "build" / "site"))
    shutil.make_archive(str(folder / "ftl-docs"), "zip", tree / "build" / "site")


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file, as `sha256sum --check` reads them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / SUMS).write_text("".join(lines))


def sha256(path: Path) -> str:
    """Digest of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- commands --------------------------------------------------------------------------------


def python(tree: Path, module: str, *arguments: str) -> None:
    """Run a module of the worktree with this Python, whose FTL is that of the worktree."""
    print(f"release: {module}", flush=True)
    print(run(tree, sys.executable, "-m", module, *arguments, env={"PYTHONPATH": str(tree / "src")}), end="")


def run(folder: Path, *argv: str, text: str | None = None, env: dict[str, str] | None = None) -> str:
    """Output of a command.

    Raises:
        ReleaseError: It failed.
    """
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **(env or {})},
        input=text or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    if done.returncode:
        raise ReleaseError(f"`{' '.join(argv)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
