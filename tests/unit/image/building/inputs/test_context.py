"""The build context: .dockerignore, its size, and the folders that make it large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.image.building.inputs.context import walk_context
from ftl.image.building.inputs.dockerignore import DockerIgnore, read_dockerignore

if TYPE_CHECKING:
    from pathlib import Path


def ignores(ignore: DockerIgnore, path: str) -> bool:
    """Whether a path is ignored, evaluated folder by folder."""
    match = ignore.top
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        match = ignore.match("/".join(parts[:end]), match)
    return match.ignored


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("node_modules", "node_modules/x/y.js", True),
        ("node_modules", "web/node_modules/x", False),
        ("**/node_modules", "web/node_modules/x", True),
        ("**/node_modules", "node_modules", True),
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "lib/a.pyc", False),
        ("**/*.pyc", "lib/deep/a.pyc", True),
        ("/build/", "build/x", True),
        ("./build", "build/x", True),
        ("lib/*", "lib/a", True),
        ("lib/*", "lib", False),
        ("lib/**", "lib/a/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "a.txt", True),
        ("[^ab].txt", "a.txt", False),
        ("[^ab].txt", "c.txt", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("*", "anything/at/all", True),
        ("*\n!src", "src/app.py", False),
        ("*\n!src", "tests/x.py", True),
        ("*\n!src\nsrc/secret", "src/secret", True),
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md\nREADME*", "README.md", True),
        ("docs\n!docs/keep/*.txt", "docs/keep/a.txt", False),
        ("# a comment\n\n  spaced  ", "spaced", True),
        ("# a comment", "# a comment", False),
        ("a(b", "a(b", True),
        ("a[b", "a[b", True),
        ("[z-a]", "z", False),
        ("a**b", "axb", False),
        ("a**b", "a/x/b", True),
        ("**b", "x/ab", True),
        ("a/../b", "b", True),
        ("../b", "b", False),
        ("!", "a", False),
        ("d\n!d/k\nd*", "d/k", False),
    ],
)
def test_patterns_match_as_in_docker(patterns: str, path: str, ignored: bool) -> None:
    """Go's match for each segment, `**`, `!`, folders with everything below them; the last match wins."""
    assert ignores(DockerIgnore(patterns.splitlines()), path) is ignored


@pytest.mark.parametrize(
    ("patterns", "path", "old", "new"),
    [
        ("d/a\n!d", "d/a", False, True),
        ("*\n!**/a", "d/a", True, False),
        ("d\n!d/k\nd*", "d/k", True, False),
    ],
)
def test_builders_before_23_have_their_own_rules(
    tmp_path: Path, patterns: str, path: str, *, old: bool, new: bool
) -> None:
    """The warning about a file in the image is right for the builder that is used."""
    tree(tmp_path, **{path.replace("/", "__"): 1})
    (tmp_path / ".dockerignore").write_text(patterns)
    dockerfile = tmp_path / "Dockerfile"
    assert (path not in walk_context(tmp_path, dockerfile, old_rules=True).files) is old
    assert (path not in walk_context(tmp_path, dockerfile).files) is new


@given(
    st.lists(st.text(alphabet="ab*?!/[]\\.#", max_size=8), max_size=4),
    st.lists(st.sampled_from(["a", "b", "ab", "a.b"]), min_size=1, max_size=3).map("/".join),
)
def test_a_folder_is_skipped_only_if_nothing_below_it_is_included(patterns: list[str], path: str) -> None:
    """Skipping an ignored folder never loses a file that a `!` pattern re-includes."""
    ignore = DockerIgnore(patterns)
    if not ignores(ignore, path):
        folders = path.split("/")[:-1]
        for end in range(1, len(folders) + 1):
            folder = "/".join(folders[:end])
            assert not ignores(ignore, folder) or ignore.may_reinclude_below(folder)


def tree(root: Path, **files: int) -> Path:
    """Create files of these sizes; `__` in a name is a slash, and `dot_` a dot."""
    for name, size in files.items():
        path = root / name.replace("__", "/").replace("dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    return root


def test_ignored_files_do_not_count(tmp_path: Path) -> None:
    """The size is that of the files that are not ignored."""
    root = tree(tmp_path, app=100, node_modules__a=5000, logs__x=700)
    (root / ".dockerignore").write_text("node_modules\nlogs\n")
    context = walk_context(root, root / "Dockerfile")
    assert set(context.files) == {"app", ".dockerignore"}
    assert context.size == 100 + len("node_modules\nlogs\n")
    assert context.ignore == root / ".dockerignore"


def test_sizes_are_summed_by_folder(tmp_path: Path) -> None:
    """Folders that images rarely need are counted separately, at any depth."""
    root = tree(tmp_path, dot_git__x=300, web__node_modules__a__b=2000, web__src__c=10, data__d=500, top=1)
    context = walk_context(root, root / "Dockerfile")
    assert context.folders == (("web/node_modules", 2000), ("data", 500), (".git", 300), ("web", 10))
    assert context.dispensable == (("web/node_modules", 2000), (".git", 300))


def test_a_dockerfiles_own_ignore_file_takes_precedence(tmp_path: Path) -> None:
    """`Dockerfile.prod.dockerignore` replaces `.dockerignore` for that Dockerfile."""
    root = tree(tmp_path, a=1, b=1)
    (root / ".dockerignore").write_text("a\n")
    (root / "Dockerfile.prod.dockerignore").write_text("b\n")
    assert ignores(read_dockerignore(root, root / "Dockerfile.prod"), "b")
    assert not ignores(read_dockerignore(root, root / "Dockerfile.prod"), "a")
    assert ignores(read_dockerignore(root, root / "Dockerfile"), "a")


def test_a_byte_order_mark_is_no_part_of_the_first_pattern(tmp_path: Path) -> None:
    """Editors on Windows write one; BuildKit removes it."""
    (tmp_path / ".dockerignore").write_bytes(b"\xef\xbb\xbf.env\r\n*.md\r\n")
    ignore = read_dockerignore(tmp_path, tmp_path / "Dockerfile")
    assert ignores(ignore, ".env")
    assert ignores(ignore, "a.md")


@pytest.mark.parametrize(
    ("target", "effective"),
    [("../outside", False), ("/outside", False), ("docker/ignore", True), ("/docker/ignore", True)],
)
def test_a_linked_ignore_file_has_to_be_in_the_context(
    tmp_path: Path, target: str, *, effective: bool
) -> None:
    """BuildKit follows links inside of the context only; an absolute one starts at the context."""
    root = tmp_path / "app"
    (root / "docker").mkdir(parents=True)
    for path in (tmp_path / "outside", root / "docker/ignore"):
        path.write_text(".env\n")
    (root / ".dockerignore").symlink_to(target)
    assert ignores(read_dockerignore(root, root / "Dockerfile"), ".env") is effective


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Builders send a link as a link, and a loop would never end."""
    root = tree(tmp_path, a=1000)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "gone").symlink_to("/nowhere/at/all")
    context = walk_context(root, root / "Dockerfile")
    assert set(context.files) == {"a", "loop", "gone"}


def test_a_reincluded_folder_is_walked(tmp_path: Path) -> None:
    """`*` with `!src` includes src and nothing else."""
    root = tree(tmp_path, src__a=1, src__deep__b=1, other__c=1)
    (root / ".dockerignore").write_text("*\n!src\n")
    assert set(walk_context(root, root / "Dockerfile").files) == {"src/a", "src/deep/b"}
