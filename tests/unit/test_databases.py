"""Versions of databases and the paths of their data."""

from __future__ import annotations

import pytest

from ftl.databases import major_version, unused_mount

OLD, NEW = "/var/lib/postgresql/data", "/var/lib/postgresql"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("postgres:16-alpine", ("postgres", 16)),
        ("docker.io/library/mongo:8.0.1", ("mongo", 8)),
        ("public.ecr.aws/docker/library/mariadb:11@sha256:0", ("mariadb", 11)),
        ("postgres:alpine", None),
        ("postgres", None),
        ("someone/postgres:16", None),
        ("redis:7", None),
    ],
)
def test_the_major_version_of_an_official_image_is_its_tags_number(
    image: str, version: tuple[str, int] | None
) -> None:
    """Other images, and tags without a number, have none."""
    found = major_version(image)
    assert (found and (found[0].image, found[1])) == version


@pytest.mark.parametrize(
    ("image", "env", "targets", "found"),
    [
        ("postgres:18", (), [OLD], (OLD, NEW)),
        ("postgres:18", (), [NEW], None),
        ("postgres:18", (), [OLD, NEW], None),
        ("postgres:18", ("PGDATA",), [OLD], None),
        ("postgres:17", (), [NEW], (NEW, OLD)),
        ("postgres:17", (), [OLD], None),
        ("postgres:17", (), ["/backup"], None),
        ("postgres", (), [OLD], None),
        ("mysql:9", (), [OLD], None),
    ],
)
def test_a_mount_at_which_the_version_keeps_no_data_is_found(
    image: str, env: tuple[str, ...], targets: list[str], found: tuple[str, str] | None
) -> None:
    """With the right one, unless PGDATA says where the data is."""
    assert unused_mount(image, env, targets) == found
