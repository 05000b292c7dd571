"""Identity of an image: its content, as far as a container runs by it, and its commit."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.engine.values import Image
from ftl.image.identity import content_id, git_commit

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY_20 = Image(
    id="sha256:1",
    tags=("shop-web:latest",),
    digests=(),
    layers=("sha256:a", "sha256:b"),
    config={
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "Tty": False,
        "ExposedPorts": {"8000/tcp": {}}, "Env": ["PATH=/bin", "A=1"], "Cmd": ["run"], "Image": "",
        "Volumes": None, "WorkingDir": "/", "Entrypoint": None,
        "OnBuild": None, "Labels": {"ftl.project": "shop", "ftl.commit": "1", "team": "web"},
        "Healthcheck": {"Test": ["CMD", "true"]},
    },
    platform="linux/amd64",
    size=10,
    created="2026-01-01T00:00:00Z",
)  # fmt: skip
CONTAINERD_28 = replace(
    OVERLAY_20,
    id="sha256:2",
    config={
        "ExposedPorts": {"8000/tcp": {}}, "Env": ["PATH=/bin", "A=1"], "Cmd": ["run"], "WorkingDir": "",
        "Labels": {"team": "web", "ftl.commit": "2"}, "ArgsEscaped": True,
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 0},
    },
    size=99,
    created="2026-02-02T00:00:00Z",
)  # fmt: skip


def test_engines_of_all_ages_give_one_image_one_id() -> None:
    """Empty values, leftovers, ftl's own labels, ids, sizes and times do not count."""
    assert content_id(OVERLAY_20) == content_id(CONTAINERD_28)


@pytest.mark.parametrize(
    "change",
    [
        {"Env": ["PATH=/bin", "A=2"]},
        {"Env": ["A=1", "PATH=/bin"]},
        {"Cmd": ["run", "-v"]},
        {"Entrypoint": ["/init"]},
        {"WorkingDir": "/srv"},
        {"User": "app"},
        {"ExposedPorts": {"9000/tcp": {}}},
        {"Volumes": {"/data": {}}},
        {"StopSignal": "SIGQUIT"},
        {"Healthcheck": {"Test": ["CMD", "false"]}},
        {"Shell": ["/bin/bash", "-c"]},
        {"Labels": {"team": "api"}},
    ],
)
def test_whatever_a_container_runs_by_counts(change: dict[str, object]) -> None:
    """A change of the config that a container could notice is another image."""
    assert content_id(replace(OVERLAY_20, config={**OVERLAY_20.config, **change})) != content_id(OVERLAY_20)


def test_layers_count_in_their_order() -> None:
    """Other layers, or the same in another order, are another image."""
    ids = {content_id(replace(OVERLAY_20, layers=layers)) for layers in (("a", "b"), ("b", "a"), ("a",), ())}
    assert len(ids) == 4


def test_the_commit_is_read_without_a_write_to_the_checkout(tmp_path: Path) -> None:
    """Git would refresh its index under a lock, which stays where it is killed: the user's own git then fails."""

    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit() -> str | None:
        return asyncio.run(git_commit(tmp_path, os.environ))

    git("init", "-q")
    assert commit() is None, "no commit yet"
    file, index = tmp_path / "app", tmp_path / ".git/index"
    file.write_text("one")
    git("add", "app")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD")
    os.utime(file, (1, 1))  # the index has another time, which a refresh would write
    before = (index.read_bytes(), index.stat().st_mtime_ns)
    assert commit() == head
    file.write_text("two")
    (tmp_path / "sub").mkdir()
    assert commit() == f"{head}-dirty"
    assert asyncio.run(git_commit(tmp_path / "sub", os.environ)) == f"{head}-dirty"
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before


def test_a_new_file_in_the_folder_is_a_change_unless_git_ignores_it(tmp_path: Path) -> None:
    """It is in the image, and a build of the commit would lack it; the output of a build here is not one."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def is_dirty() -> bool:
        return (asyncio.run(git_commit(tmp_path / "shop", os.environ)) or "").endswith("-dirty")

    git("init", "-q")
    git("config", "status.showUntrackedFiles", "no")  # a slow prompt is no reason to lose files
    (tmp_path / "shop/app").mkdir(parents=True)
    (tmp_path / "shop/app/main.py").write_text("")
    (tmp_path / ".gitignore").write_text("dist\n")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "shop/dist").mkdir()
    (tmp_path / "shop/dist/app.js").write_text("")
    (tmp_path / "notes.txt").write_text("of another project in the repository")
    assert not is_dirty()
    (tmp_path / "shop/app/new.py").write_text("")
    assert is_dirty()


def test_outside_of_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    """The image has no label of one then."""
    assert asyncio.run(git_commit(tmp_path, os.environ)) is None
