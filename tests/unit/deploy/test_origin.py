"""Origin: two projects of one name are told apart by their repositories."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ftl.common.next_step import plain
from ftl.config.models.project import Dependency
from ftl.deploy import origin
from ftl.deploy.origin import git_origin, is_other, normal_remote, require_clean
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.errors import UsageError
from tests.unit.deploy.world import container, images, project, record, server, service


@pytest.mark.parametrize(
    "url",
    [
        "git@example.com:Shop/web.git",
        "https://me:token@example.com/shop/web",
        "ssh://git@example.com:2222/shop/web.git/",
        "https://example.com/shop/web.git",
    ],
)
def test_one_repository_has_one_spelling(url: str) -> None:
    """Scheme, user, password, port and suffix do not count, and no credential is kept."""
    assert normal_remote(url) == "example.com/shop/web"


@pytest.mark.parametrize(
    ("before", "now", "other"),
    [
        ({}, {"root": "a"}, False),
        ({"remote": "x"}, {"root": "a"}, False),
        ({"remote": "x", "root": "a"}, {"remote": "y", "root": "a"}, False),
        ({"remote": "x", "root": "a"}, {"remote": "x"}, False),
        ({"remote": "x", "root": "a"}, {"remote": "y", "root": "b"}, True),
        ({"root": "a"}, {"root": "b", "remote": "y"}, True),
    ],
)
def test_origins_differ_only_where_nothing_that_both_know_is_equal(
    before: dict[str, str], now: dict[str, str], other: bool
) -> None:
    """A fork, a moved remote and a shallow clone are the same project."""
    assert is_other(before, now) is other


def test_a_clone_has_the_origin_of_its_repository(tmp_path: Path) -> None:
    """The first commit is the same in a clone; a folder outside of git has no origin."""

    def git(*arguments: str) -> None:
        names = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *names, *arguments], check=True, capture_output=True)

    first, clone = str(tmp_path / "first"), str(tmp_path / "clone")
    git("init", first)
    git("-C", first, "commit", "--allow-empty", "-m", "one")
    git("clone", first, clone)
    origins = [asyncio.run(git_origin(Path(folder), os.environ)) for folder in (first, clone)]
    assert origins[0]["root"] == origins[1]["root"]
    (tmp_path / "none").mkdir()
    bare = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    assert asyncio.run(git_origin(tmp_path / "none", bare)) == {}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """An empty repository without a commit."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_a_clean_tree_counts_files_that_the_users_settings_hide(checkout: Path) -> None:
    """`status.showUntrackedFiles = no` speeds up a prompt, and must not let an unknown file through."""
    subprocess.run(["git", "-C", str(checkout), "config", "status.showUntrackedFiles", "no"], check=True)
    asyncio.run(require_clean(checkout))
    (checkout / "new.py").write_text("")
    with pytest.raises(UsageError) as caught:
        asyncio.run(require_clean(checkout))
    assert caught.value.cause == "not committed: new.py"


def test_the_owners_hint_names_the_top_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git wants it, for a shell; ftl.yaml may be in a folder of it."""
    top, folder = tmp_path / "my shop", tmp_path / "my shop/deploy"
    folder.mkdir(parents=True)
    (top / ".git").mkdir()
    (tmp_path / "git").write_text("#!/bin/sh\necho safe.directory >&2; exit 128\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        asyncio.run(require_clean(folder))
    assert f"safe.directory '{top}'" in plain(caught.value.hint or "")


def test_a_folder_outside_of_any_checkout_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to commit, and git is not asked: a machine may have none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    asyncio.run(require_clean(tmp_path))


@pytest.mark.parametrize(
    ("script", "cause", "hint"),
    [
        (
            "echo fatal: detected dubious ownership; echo git config --add safe.directory /x; exit 128",
            "dubious ownership",
            "git config --global --add safe.directory {folder}",
        ),
        ("echo fatal: index file corrupt; exit 128", "fatal: index file corrupt", "once `git status` works"),
        ("exit 3", "`git status` ended with exit code 3", "once `git status` works"),
        ("echo locked; exec /bin/sleep 9", "did not end within 1 s: locked", "once `git status` works"),
        (None, "there is no git on this machine", "install git"),
    ],
)
def test_without_an_answer_of_git_nothing_counts_as_clean(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, cause: str, hint: str
) -> None:
    """Another owner's checkout in CI, a damaged one, a slow one, no git: a protected project is not deployed."""
    folder = checkout / "bin"
    folder.mkdir()
    if script is not None:
        (folder / "git").write_text(f"#!/bin/sh\nexec >&2\n{script}\n")
        (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(origin, "STATUS_SECONDS", 1.0)
    with pytest.raises(UsageError, match="git does not say whether the checkout has changes") as caught:
        asyncio.run(require_clean(checkout))
    assert cause in (caught.value.cause or "")
    assert hint.format(folder=checkout) in plain(caught.value.hint or "")


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize("git", [True, False])
def test_another_repositorys_project_is_taken_over_only_if_said(git: bool, adopt: bool) -> None:
    """By its repository, or without git by a file that names nothing of what runs."""
    theirs = project(
        service("web"), service("api"), dependencies=(Dependency(name="db", image="postgres:16"),)
    )
    mine = theirs if git else project(service("site"))
    told = replace(record("r1", web="r1"), origin={"root": "a"} if git else {}, by="them@there")
    running = (*container(theirs, "web", "r1"), *container(theirs, "api", "r1"))
    there = server(theirs, *running, live={"web": "r1", "api": "r1"}, releases=(told,))
    request = PlanRequest(mine, purpose=NewRelease(adopt=adopt))
    inputs = PlanInputs(Author("me@here", origin={"root": "b"}), images(mine))
    if adopt:
        assert make_plan(request, inputs, there).release
        return
    with pytest.raises(UsageError, match="of another repository") as caught:
        make_plan(request, inputs, there)
    assert "them@there" in caught.value.message
    assert "--adopt" in (caught.value.hint or "")
    with pytest.raises(UsageError) as preview:
        make_plan(replace(request, project=replace(mine, preview_of="main")), inputs, there)
    assert preview.value.hint == "give this one another `project.name`", "a preview has no such option"


@pytest.mark.parametrize(("before", "now"), [("", "staging"), ("production", ""), ("production", "staging")])
def test_another_environments_project_is_taken_over_only_if_said(before: str, now: str) -> None:
    """An overlay that keeps the project's name would replace production; both are named, and the way out."""
    mine = replace(project(), environment=now)
    told = replace(record("r1", web="r1"), environment=before)
    there = server(mine, *container(mine, "web", "r1"), live={"web": "r1"}, releases=(told,))
    request, inputs = PlanRequest(mine), PlanInputs(Author("me@here"), images(mine))
    with pytest.raises(UsageError) as caught:
        make_plan(request, inputs, there)
    for name in (before, now):
        words = f"in the environment {name}" if name else "without an environment"
        assert words in caught.value.message
    assert f"give ftl.{now or before}.yaml another `project.name`" in (caught.value.hint or "")
    assert "--adopt" in (caught.value.hint or "")
    make_plan(replace(request, purpose=NewRelease(adopt=True)), inputs, there)
    make_plan(replace(request, project=replace(mine, environment=before)), inputs, there)
