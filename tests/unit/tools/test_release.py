"""Releases: which version may follow, what is refused, and that a failure leaves nothing."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from tools.release.__main__ import CHANGELOG, VERSION_FILE, main, release
from tools.release.package import homepage
from tools.release.versions import Changelog, ReleaseError, Version

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """# Changelog

What users notice.

## Unreleased

### Added

- A thing.

### Fixed

## 0.1.0 - 2026-01-02

- The first.
"""


def changelog(kind: str, last: str = "0.1.0") -> Changelog:
    """A changelog with one entry of a kind since a version."""
    return Changelog.parse(TEXT.replace("### Added", f"### {kind}").replace("## 0.1.0", f"## {last}"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a changelog and a version, in which we are."""
    root = tmp_path / "repository"
    (root / VERSION_FILE).parent.mkdir(parents=True)
    (root / VERSION_FILE).write_text('"""Doc."""\n\n__version__ = "0.1.0"\n')
    (root / CHANGELOG).write_text(TEXT)
    (root / ".gitignore").write_text("dist/\n")
    for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{variable}_NAME", "Test")
        monkeypatch.setenv(f"{variable}_EMAIL", "test@example.com")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=begin")
    monkeypatch.chdir(root)
    return root


def git(root: Path, *arguments: str) -> str:
    """Output of git in the repository."""
    return subprocess.run(
        ("git", *arguments), cwd=root, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def built(tree: Path, folder: Path) -> None:
    """Stands for a build: a file with the version that the worktree has."""
    (folder / "recipes").mkdir()
    (folder / "recipes" / "ftl").write_text((tree / VERSION_FILE).read_text())


# --- versions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "last", "least"),
    [
        ("Fixed", "0.1.0", "0.1.1"),
        ("Security", "1.2.3", "1.2.4"),
        ("Added", "0.1.0", "0.2.0"),
        ("Changed", "1.2.3", "1.3.0"),
        ("Deprecated", "1.2.3", "1.3.0"),
        ("Removed", "0.1.0", "0.2.0"),
        ("Removed", "1.2.3", "2.0.0"),
    ],
)
def test_the_changes_decide_the_least_version(kind: str, last: str, least: str) -> None:
    """SemVer: fixes make a patch, additions a minor version, removals a major one, and before 1.0.0 a minor one."""
    assert str(changelog(kind, last).least()) == least


def test_a_larger_version_than_the_least_may_follow() -> None:
    """A patch that deserves a major version gets one."""
    changelog("Fixed").check(Version(1, 0, 0))


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0.1.1", "0.1.1 is too small for sections Added of the changelog: SemVer asks for 0.2.0 at least"),
        ("0.3.0", "0.3.0 does not follow 0.1.0: that is 0.1.1, 0.2.0 or 1.0.0"),
        ("0.1.0", "0.1.0 does not follow 0.1.0: that is 0.1.1, 0.2.0 or 1.0.0"),
        ("v0.2.0", "`v0.2.0` is not a version: write three numbers, as in `make release VERSION=1.2.3`"),
        ("0.02.0", "`0.02.0` is not a version: write three numbers, as in `make release VERSION=1.2.3`"),
        (
            "0.2.0-rc.1",
            "`0.2.0-rc.1` is not a version: write three numbers, as in `make release VERSION=1.2.3`",
        ),
        ("", "`` is not a version: write three numbers, as in `make release VERSION=1.2.3`"),
    ],
)
def test_a_version_that_cannot_follow_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str], version: str, message: str
) -> None:
    """One sentence says why, and nothing is committed or tagged."""
    assert main([version]) == 1
    assert capsys.readouterr().err == f"release: {message}\n"
    assert git(repository, "rev-list", "--count", "--all").strip() == "1"
    assert git(repository, "tag") == ""


def test_an_unknown_section_is_refused() -> None:
    """A section that Keep a Changelog does not have says nothing about the version."""
    with pytest.raises(ReleaseError, match="`Improved`"):
        changelog("Improved").least()


def test_a_changelog_without_a_release_is_refused() -> None:
    """The last version is the changelog's."""
    with pytest.raises(ReleaseError, match="must begin with"):
        Changelog.parse("# Changelog\n\n## Unreleased\n\n- A thing.\n")


# --- the repository --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        ("dirty", "the tree is not clean (?? new): commit or stash first"),
        ("tagged", "the tag v0.2.0 exists: `git tag -d v0.2.0` if it was never pushed"),
        ("empty", "CHANGELOG.md has nothing under Unreleased: there is nothing to release"),
        ("version", "src/ftl/__init__.py says 0.0.9, and the changelog's last is 0.1.0"),
    ],
)
def test_a_repository_that_is_not_ready_is_refused(
    repository: Path, capsys: pytest.CaptureFixture[str], arrange: str, message: str
) -> None:
    """One sentence says why."""
    match arrange:
        case "dirty":
            (repository / "new").touch()
        case "tagged":
            git(repository, "tag", "v0.2.0")
        case "empty":
            (repository / CHANGELOG).write_text(TEXT.replace("- A thing.\n", ""))
        case _:
            (repository / VERSION_FILE).write_text('__version__ = "0.0.9"\n')
    if arrange != "dirty":
        git(repository, "commit", "--quiet", "--all", "--allow-empty", "--message=arrange")
    assert main(["0.2.0"]) == 1
    assert capsys.readouterr().err == f"release: {message}\n"


def test_a_release_is_a_commit_a_tag_and_files_with_sums(repository: Path) -> None:
    """The files are built from the tagged commit, which has the version and a dated section; the branch has it."""
    folder = release(repository, Version(0, 2, 0), [built])
    assert folder == repository / "dist" / "0.2.0"
    content = (folder / "recipes" / "ftl").read_bytes()
    assert b'__version__ = "0.2.0"' in content
    assert (folder / "SHA256SUMS").read_text() == f"{hashlib.sha256(content).hexdigest()}  recipes/ftl\n"
    assert (
        git(repository, "rev-parse", "v0.2.0^{commit}", "HEAD").split()[0]
        == git(repository, "rev-parse", "main").strip()
    )
    assert "- A thing." in git(repository, "tag", "--list", "--format=%(contents)", "v0.2.0")
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "worktree", "list").count("\n") == 1
    after = Changelog.parse((repository / CHANGELOG).read_text())
    assert (after.last, after.unreleased.strip()) == (Version(0, 2, 0), "")
    with pytest.raises(ReleaseError, match="nothing under Unreleased"):
        release(repository, Version(0, 3, 0), [built])


def test_a_build_that_fails_leaves_nothing(repository: Path) -> None:
    """No commit, no tag, no files: the release can be tried again."""

    def fails(_tree: Path, _folder: Path) -> None:
        raise ReleaseError("no network")

    with pytest.raises(ReleaseError, match="no network"):
        release(repository, Version(0, 2, 0), [built, fails])
    assert git(repository, "log", "--format=%s") == "begin\n"
    assert git(repository, "tag") == ""
    assert git(repository, "status", "--porcelain", "--ignored") == ""
    assert git(repository, "worktree", "list").count("\n") == 1
    release(repository, Version(0, 2, 0), [built])


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("git@github.com:acme/ftl.git", "https://github.com/acme/ftl"),
        ("https://gitlab.example.com/a/b/ftl", "https://gitlab.example.com/a/b/ftl"),
        ("https://token@github.com/acme/ftl.git", "https://github.com/acme/ftl"),
        ("ssh://git@example.com:2222/acme/ftl.git", "https://example.com/acme/ftl"),
        ("/srv/git/ftl", "https://github.com/OWNER/ftl"),
        ("", "https://github.com/OWNER/ftl"),
    ],
)
def test_recipes_name_the_page_of_the_repository(remote: str, page: str) -> None:
    """Without a remote that has a page it is the placeholder of the documentation."""
    assert homepage(remote) == page
