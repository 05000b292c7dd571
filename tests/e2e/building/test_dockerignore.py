"""FTL's reading of .dockerignore against the real builder's."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from ftl.engine.local import local_url
from ftl.image.building.docker_cli.buildkit_cli import find_buildkit_cli
from ftl.image.building.inputs import context
from ftl.image.building.inputs.context import walk_context

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

FILES = (
    "a", "ab", "abc", "a.py", "b.py", ".env", "x y", "a*b", "[ab]", "d/a", "d/ab", "d/a.py", "d/.env",
    "d/e/a", "d/e/a.py", "d/e/f/b", "dd/a", "lib/a.pyc", "lib/d/a.pyc", "node_modules/x/y.js",
)  # fmt: skip
PATTERNS = (
    "a", "a*", "?", "a?", "*.py", "**/*.py", "d", "d/", "./d", "d/*", "d/**", "d/a", "d/../a", "d//a", "*/a", "*/*",
    "**", "**/a", "d/**/a", "d/**/*.py", "**/d", "**/d/*", "[ab]", "[a-c]*", "[^a]*", "x y", r"a\*b", r"\[ab\]",
    ".env", "**/.env", "lib/*.pyc", "**/*.pyc", "node_modules", "*", "# no comment", "../a", "d/e", "d/e/f", "dd",
)  # fmt: skip
EXCEPTIONS = (
    "!a", "!d", "!d/a", "!d/e", "!d/e/f/b", "!./a", "! a.py", "!lib", "!.env", "!d/.env", "!dd/a", "!*/a", "!**/*.py",
    "!d/*", "!d/**",
)  # fmt: skip

CASES = 200
WHOLE = ("**/*.py\n*\n!**/a\n", "\ufeff.env\r\na*\r\n", "*\n!d/e\n", "/a\n\n  d/e  \n#x\n")
"""Files that cannot be put below a folder: a leading `**`, and what is read before patterns are."""


def below(folder: str, pattern: str) -> str:
    """A pattern that means the same below a folder."""
    bare = pattern.removeprefix("!").strip()
    return f"{'!' if pattern.startswith('!') else ''}{folder}/{bare}"


def write_files(root: Path) -> None:
    """Write the files, each with a byte."""
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def sent(root: Path) -> set[str]:
    """Files that the builder has in its context."""
    builder = find_buildkit_cli(os.environ)
    (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    words = ["buildx", "build"] if builder.kind == "buildx" else ["build"]
    argv = [builder.docker, *words, "--quiet", "--output=type=tar,dest=-", str(root)]
    env = {
        **os.environ,
        "DOCKER_BUILDKIT": "1",
        "DOCKER_HOST": local_url(),
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }
    done = subprocess.run(argv, env=env, capture_output=True, check=True, timeout=120)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        return {member.name.removeprefix("./") for member in archive if not member.isdir()}


def expected(root: Path) -> set[str]:
    """Files that FTL counts."""
    return set(
        walk_context(
            root, root / "Dockerfile", old_rules=find_buildkit_cli(os.environ).kind == "buildkit"
        ).files
    )


def test_two_hundred_lists_of_patterns_match_as_in_the_builder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list has a separate folder in one build; the walk has all the time that it needs."""
    monkeypatch.setattr(context, "_MAX_SECONDS", 120.0)
    chosen = random.Random(1)
    lines: list[str] = []
    lists: dict[str, list[str]] = {}
    for number in range(CASES):
        folder = f"c{number:03}"
        patterns = [PATTERNS[number]] if number < len(PATTERNS) else chosen.choices(PATTERNS, k=2)
        patterns += chosen.choices((*EXCEPTIONS, *PATTERNS), k=number % 4)
        lists[folder] = patterns
        lines += [below(folder, pattern) for pattern in patterns]
        write_files(tmp_path / folder)
    (tmp_path / ".dockerignore").write_text("\n".join(lines))
    files, own = sent(tmp_path), expected(tmp_path)
    differences = {
        folder: (patterns, sorted(name for name in files ^ own if name.startswith(f"{folder}/")))
        for folder, patterns in lists.items()
    }
    assert {folder: found for folder, found in differences.items() if found[1]} == {}
    assert files == own


@pytest.mark.parametrize("text", WHOLE)
def test_whole_ignore_files_match_as_in_the_builder(tmp_path: Path, text: str) -> None:
    """Leading `**`, a byte order mark, CRLF, blank lines and comments."""
    write_files(tmp_path)
    (tmp_path / ".dockerignore").write_bytes(text.encode())
    assert sent(tmp_path) == expected(tmp_path)


@pytest.mark.parametrize("target", ["../outside", "/outside", "d/ignore", "/d/ignore", "nowhere"])
def test_a_linked_ignore_file_has_the_effect_that_it_has_for_the_builder(tmp_path: Path, target: str) -> None:
    """A link out of the context has none; so .env is in the image, and FTL warns."""
    root = tmp_path / "app"
    write_files(root)
    for path in (tmp_path / "outside", root / "d/ignore"):
        path.write_text(".env\n")
    (root / ".dockerignore").symlink_to(target)
    assert sent(root) == expected(root)
