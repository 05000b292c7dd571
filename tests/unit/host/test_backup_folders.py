"""Folders of scheduled backups: their removal."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, cast

import pytest

from ftl.common.programs import program
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.errors import FtlError
from ftl.host.backup_folders import BackupFolder, backup_folders, remove_backups
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.engine.api import Engine

STAMP = "20260101-031500"


def removed(folder: Path, project: str) -> int:
    """Run the script that removes a project's backups."""
    script = program("ftl.host", "scripts/remove_backups.sh").replace("/backups", str(folder))
    return subprocess.run(["sh", "-c", script, "sh", project], check=False).returncode


def test_only_backups_of_the_project_are_removed(tmp_path: Path) -> None:
    """And their folder, unless something else is in it; other projects have theirs."""
    for project in ("shop", "shop-2"):
        (tmp_path / project).mkdir()
        for name in (f"db-{STAMP}.dump", f"a b-{STAMP}.sql", f"db-{STAMP}.rdb.partial"):
            (tmp_path / project / name).touch()
    (tmp_path / "shop-2" / "notes-2026.txt").touch()
    assert removed(tmp_path, "shop") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["shop-2"]
    assert len([*(tmp_path / "shop-2").iterdir()]) == 4
    assert removed(tmp_path, "shop-2") == 0
    assert [path.name for path in (tmp_path / "shop-2").iterdir()] == ["notes-2026.txt"]
    assert removed(tmp_path, "gone") != 0


def test_a_container_with_the_folder_of_all_projects_removes_them() -> None:
    """As root, by the project's name; it is removed, and what it says is the reason when it fails."""

    async def scenario(status: int) -> FakeEngine:
        engine = FakeEngine(images=["db"])
        folder = BackupFolder("/var/backups/ftl/shop", "db")
        removing = asyncio.create_task(remove_backups(cast("Engine", engine), "shop", folder))
        while not engine.by_name or next(iter(engine.by_name.values())).state != "running":
            await asyncio.sleep(0)
        (container,) = engine.by_name.values()
        assert container.spec.command is not None
        assert container.spec.command[1:] == ("sh", "shop")
        assert [(mount.source, mount.target) for mount in container.spec.mounts] == [
            ("/var/backups/ftl", "/backups")
        ]
        container.end(status)
        await removing
        return engine

    assert asyncio.run(scenario(0)).by_name == {}
    with pytest.raises(FtlError, match="/var/backups/ftl/shop cannot be removed"):
        asyncio.run(scenario(1))


def test_a_removal_that_hangs_ends() -> None:
    """As on a dead network disk; the container goes."""
    engine = FakeEngine(images=["db"])
    removing = remove_backups(cast("Engine", engine), "shop", BackupFolder("/var/backups/ftl/shop", "db"))
    with pytest.raises(FtlError, match="cannot be removed") as caught:
        run(removing)
    assert caught.value.cause == "it took longer than 300 s"
    assert engine.by_name == {}


def test_a_folder_without_a_job_is_read_with_the_proxys_image() -> None:
    """It has a shell; the image of a dependency may have none, as that of nats."""

    def of(role: str, project: str = "shop") -> Container:
        label_map = {labels.PROJECT: project, labels.ROLE: role}
        return Container(role, role, role, f"image-{role}", label_map, "running", "", 0)

    dependency, proxy = of(labels.ROLE_DEPENDENCY), of(labels.ROLE_PROXY, "")
    there = (dependency, of(labels.ROLE_STATE, ""), proxy)
    assert backup_folders(there, "shop") == (BackupFolder("/var/backups/ftl/shop", "image-proxy"),)
    assert backup_folders(there[:2], "shop")[0].image == "image-dependency"
