"""Rebuild: a checkout of a commit beside the user's own, which stays as it is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Build, Dependency, Project, ProjectInfo, Server, Service
from ftl.config.models.service import BuildSecret
from ftl.errors import BuildFailed
from ftl.operations.changes.rollback.rebuild import built_here, checkout, rebuilt_images
from tests.support.engine_socket import served
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from pathlib import Path

INFO = b'HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length: 24\r\n\r\n{"ServerVersion":"27.0"}'

DOCKER = """#!/bin/sh
[ "$1" = --version ] && { echo "Docker version 28.2.2, build x"; exit; }
[ "$2" = inspect ] && { echo "Driver: docker"; exit; }
[ "$2" = version ] && { echo "github.com/docker/buildx v0.17.1"; exit; }
printf '%s\\n' "$@" >"$HOME/words"
exit 1
"""
"""A docker CLI that writes with which words it was to build."""


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as somebody."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path, text: str) -> str:
    """Commit a text in app/file; the commit's ID."""
    (folder / "app").mkdir(exist_ok=True)
    (folder / "app/file").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", text)
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_is_checked_out_beside_the_users_files(tmp_path: Path) -> None:
    """The folder of ftl.yaml is found in it, uncommitted work is not touched, and nothing is left."""
    git(tmp_path, "init", "-q")
    first = committed(tmp_path, "one")
    committed(tmp_path, "two")
    (tmp_path / "app/file").write_text("in work")

    status = git(tmp_path, "status", "--porcelain")

    async def check() -> Path:
        async with checkout(tmp_path / "app", first) as files:
            assert (files.folder / "file").read_text() == "one"
            assert files.folder == files.top / "app"
            assert (tmp_path / "app/file").read_text() == "in work"
            return files.top

    assert not asyncio.run(check()).parent.exists()
    assert git(tmp_path, "status", "--porcelain") == status
    assert len(git(tmp_path, "worktree", "list").splitlines()) == 1


def test_attributes_are_those_of_the_commit(tmp_path: Path) -> None:
    """Line ends and filters (LFS) decide what is in the image; the user's `.gitattributes` has others."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "filter.upper.smudge", "tr a-z A-Z")
    git(tmp_path, "config", "filter.upper.clean", "tr A-Z a-z")
    (tmp_path / "text.txt").write_text("text\n")
    (tmp_path / "large.bin").write_text("content")
    (tmp_path / ".gitattributes").write_text("*.txt text eol=crlf\n*.bin filter=upper\n")
    first = committed(tmp_path, "one")
    (tmp_path / ".gitattributes").write_text("* -text -filter\napp/* filter=upper\n")
    status = git(tmp_path, "status", "--porcelain")

    async def check() -> None:
        async with checkout(tmp_path / "app", first) as files:
            assert (files.top / "text.txt").read_bytes() == b"text\r\n"
            assert (files.top / "large.bin").read_text() == "CONTENT"
            assert (files.folder / "file").read_text() == "one"
            assert {path.name for path in files.top.iterdir()} == {
                ".gitattributes",
                "app",
                "large.bin",
                "text.txt",
            }

    asyncio.run(check())
    assert git(tmp_path, "status", "--porcelain") == status


def test_the_image_is_labelled_with_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are in no checkout; nor does that count which temporary files happen to be in."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM scratch\n")
    git(tmp_path, "init", "-q")
    first = committed(tmp_path, "one")
    committed(tmp_path, "two")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    put_programs(tmp_path / "bin", {"docker": DOCKER})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "DOCKER_CONFIG", "DOCKER_CONTEXT", "BUILDX_BUILDER"):
        monkeypatch.delenv(name, raising=False)
    web = Service(name="web", build=Build())
    project = Project(project=ProjectInfo(name="shop"), server=Server(host="server"), services=(web,))

    async def check() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/v1.41/info": INFO, "/info": INFO, "/_ping": INFO})
            monkeypatch.setenv("DOCKER_HOST", url)
            with pytest.raises(BuildFailed, match="the build failed"):
                await rebuilt_images(
                    project,
                    ["web"],
                    first,
                    root=tmp_path / "app",
                    platform="linux/amd64",
                    emit=lambda _: None,
                )

    asyncio.run(check())
    labels = [word for word in (tmp_path / "words").read_text().splitlines() if "ftl.commit=" in word]
    assert [label.rpartition("=")[2] for label in labels] == [first]


def test_what_a_killed_rebuild_leaves_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder; the repository knows of none."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    first = committed(repository, "one")
    code = f"""
import asyncio, os, pathlib, signal
from ftl.operations.changes.rollback.rebuild import checkout
async def work():
    async with checkout(pathlib.Path({str(repository)!r}), {first!r}):
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(work())
"""
    killed = subprocess.run(
        (sys.executable, "-c", code), env={**os.environ, "TMPDIR": str(temporary)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len([*temporary.iterdir()]) == 1
    assert len(git(repository, "worktree", "list").splitlines()) == 1

    async def check() -> None:
        async with checkout(repository, first) as files:
            assert [*temporary.iterdir()] == [files.top.parent]

    asyncio.run(check())
    assert [*temporary.iterdir()] == []


def test_an_unknown_commit_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """A shallow clone does not have old commits."""
    git(tmp_path, "init", "-q")
    committed(tmp_path, "one")

    async def check() -> None:
        with pytest.raises(BuildFailed, match="commit 0000000000") as failed:
            async with checkout(tmp_path, "0" * 40):
                pass
        assert "git fetch" in (failed.value.hint or "")

    asyncio.run(check())


@pytest.mark.parametrize(
    "build",
    [
        Build(context="/etc"),
        Build(context="../.."),
        Build(context="link"),
        Build(dockerfile="/etc/passwd"),
        Build(dockerfile="link/passwd"),
        Build(secrets=(BuildSecret(id="key", file="/etc/passwd"),)),
        Build(secrets=(BuildSecret(id="key", file="link/passwd"),)),
    ],
    ids=str,
)
def test_a_build_that_leads_out_of_the_commit_is_refused(build: Build, tmp_path: Path) -> None:
    """Its paths come from a record on the server: no file of this machine gets into an image by them."""
    git(tmp_path, "init", "-q")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/link").symlink_to("/etc")
    first = committed(tmp_path, "one")
    web = Service(name="web", build=build)
    project = Project(project=ProjectInfo(name="shop"), server=Server(host="server"), services=(web,))

    async def check() -> None:
        with pytest.raises(BuildFailed, match=r"web cannot be rebuilt: its \w+.* is outside"):
            await rebuilt_images(
                project, ["web"], first, root=tmp_path / "app", platform="linux/amd64", emit=lambda _: None
            )

    asyncio.run(check())
    assert len(git(tmp_path, "worktree", "list").splitlines()) == 1


def test_a_record_does_not_decide_where_images_are_built_again() -> None:
    """Whoever may write it could have this machine send its files and secrets to a host, or write to a folder."""
    build = Build(context="app", on="evil.example.com", cache=("/etc/cron.d", "evil.example.com/cache"))
    project = Project(
        project=ProjectInfo(name="shop"),
        server=Server(host="shop"),
        services=(Service(name="web", build=build),),
        dependencies=(Dependency(name="db", image="shop-db:c1", build=build),),
    )
    again = built_here(project)
    assert again.services[0].build == again.dependencies[0].build == Build(context="app")
