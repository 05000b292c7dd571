"""Major versions of databases: another one never starts on used data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.engine.values import Container, Mount
from ftl.errors import UsageError
from tests.unit.deploy.plan.data import DATA, DB
from tests.unit.deploy.world import (
    container,
    dependency,
    plan,
    project,
    record,
    server,
)

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseRecord


def on_data(image: str, mount: Mount = DATA, name: str = "db") -> Container:
    """A database's container that runs an image on a volume."""
    return replace(
        dependency(project(dependencies=(replace(DB, name=name),)), name), image=image, mounts=(mount,)
    )


@pytest.mark.parametrize(
    ("running", "refused"),
    [
        (on_data("postgres:16"), True),
        (on_data("postgres:16-alpine@sha256:" + "0" * 64), True),
        (on_data("docker.io/library/postgres:16.4"), True),
        (on_data("postgres:16", name="database"), True),
        (on_data("sha256:" + "0" * 64), True),
        (on_data("postgres:16", replace(DATA, source="shop_other")), False),
        (on_data("postgres:17.2"), False),
        (on_data("postgres:latest", name="database"), False),
        (on_data("someone/postgres:16", name="database"), False),
    ],
)
def test_another_major_version_on_a_used_volume_is_refused(running: Container, refused: bool) -> None:
    """By the tags of what uses the volume, under whatever name; before anything is stopped."""
    before = project(dependencies=(DB,))
    asked = project(dependencies=(replace(DB, image="postgres:17"),))
    told: ReleaseRecord = replace(record("r1", web="r1"), project=before.to_dict())
    there = server(before, *container(before, "web", "r1"), running, live={"web": "r1"}, releases=(told,))
    if not refused:
        plan(asked, there)
        return
    with pytest.raises(UsageError, match="would start on the data of PostgreSQL 16") as caught:
        plan(asked, there)
    assert "pg_dumpall" in (caught.value.hint or "")


def test_a_major_version_on_the_volume_that_the_image_declares_is_refused() -> None:
    """No volume in ftl.yaml: the data is in one that FTL named after the dependency."""
    declared = Mount("shop-db.data.db", "/data/db")
    asked = project(dependencies=(Dependency(name="db", image="mongo:8"),))
    there = server(asked, *container(asked, "web", "r1"), on_data("mongo:7", declared), live={"web": "r1"})
    with pytest.raises(UsageError, match="mongo:8 would start on the data of MongoDB 7"):
        plan(asked, there)
