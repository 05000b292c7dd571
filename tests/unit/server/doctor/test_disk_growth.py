"""Forecast of Docker's disk: what deploys of a project add, and when it is full."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.engine import labels
from ftl.engine.marks import pull_mark
from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord
from ftl.server.doctor.checks.server import judge_growth
from ftl.server.doctor.disk_growth import DiskGrowth, gather_growth, growth
from ftl.server.facts.reader import FreeSpace
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from ftl.engine.api import Engine

MB = 1000**2


def records(*sent: int) -> tuple[ReleaseRecord, ...]:
    """Releases that went live, for which so many bytes were sent."""
    return tuple(
        ReleaseRecord(f"r{number}", "live", 0, bytes_sent=size, project={"name": "shop", "keep_releases": 9})
        for number, size in enumerate(sent, 1)
    )


def test_a_deploy_adds_what_a_release_has_for_itself() -> None:
    """Of all its services; tags of others, and those that are no release's, count for nothing."""
    sizes: dict[str, int | None] = {
        "shop-web:r1": 10, "shop-api:r1": 30, "shop-web:r2": 20, "shop-web:r3": 30,
        "shop-web:latest": 500, "shop-x/web:r9": 500, "shopping-web:r4": 500,
    }  # fmt: skip
    assert growth("shop", sizes, (), 5) == DiskGrowth(30, 3, 5)


def test_where_the_engine_does_not_measure_the_bytes_on_the_way_stand_for_it() -> None:
    """Those of the last releases; one whose images were there already adds nothing."""
    unknown = dict.fromkeys(("shop-web:r1", "shop-web:r2"))
    assert growth("shop", unknown, records(999, 10, 20, 0, 30, 40, 50), 5) == DiskGrowth(30, 2, 5)
    assert growth("shop", unknown, (), 5) is None


def test_a_first_release_tells_nothing() -> None:
    """The base image, which the next one shares, is among its layers."""
    assert growth("shop", {"shop-web:r1": 900, "shop-api:r1": 900}, records(5), 5) is None


def test_the_growth_is_that_of_the_project_on_the_server() -> None:
    """With the number of releases that stay from the live release's record."""

    async def gathered() -> DiskGrowth | None:
        engine = FakeEngine()
        for number in (1, 2):
            engine.add_image(f"shop-web:r{number}", config={"Labels": {labels.PROJECT: "shop"}})
            engine.add_image(f"other-web:r{number}", config={"Labels": {labels.PROJECT: "other"}})
        return await gather_growth(cast("Engine", engine), "shop", records(1, 1))

    assert asyncio.run(gathered()) == DiskGrowth(1000, 2, 9)


def test_images_that_a_server_pulled_count_as_well() -> None:
    """Those of services that FTL brought, once for each; not a dependency's, nor what another project brought."""
    ids = [f"sha256:{number:012x}{'0' * 52}" for number in range(4)]
    marks = [f"ftl-mark/shop/ghcr.io/acme/app:v{number}.{number:012x}" for number in range(4)]
    sizes: dict[str, int | None] = {"ftl-mark/other/app:v1.000000000002": 999}
    sizes |= zip(marks, (10, 20, 30, 999), strict=True)
    ran = [
        ReleaseRecord(
            f"r{number}",
            "live",
            0,
            services={"web": ServiceRecord(f"r{number}", "app", ids[image], "", "")},
            dependencies={"db": DependencyRecord("db", ids[3])},
        )
        for number, image in enumerate((0, 1, 1, 2), 1)
    ]
    assert growth("shop", sizes, ran, 5) == DiskGrowth(20, 3, 5)


def test_a_built_image_that_went_through_a_registry_counts_once() -> None:
    """It has the tag of its release, and a mark."""
    ids = [f"sha256:{number:012x}{'0' * 52}" for number in range(2)]
    sizes: dict[str, int | None] = {}
    for number in range(2):
        sizes[f"shop-web:r{number}"] = sizes[f"ftl-mark/shop/app:v{number}.{number:012x}"] = 10
    ran = [
        ReleaseRecord(
            f"r{number}",
            "live",
            0,
            services={"web": ServiceRecord(f"r{number}", f"shop-web:r{number}", ids[number], "", "")},
        )
        for number in range(2)
    ]
    assert growth("shop", sizes, ran, 5) == DiskGrowth(10, 2, 5)


def test_the_engine_is_asked_for_images_without_labels() -> None:
    """Nobody can label what somebody else has built."""

    async def gathered() -> DiskGrowth | None:
        engine, entries = FakeEngine(), list[dict[str, ServiceRecord]]()
        for number in (1, 2):
            image = engine.add_image(f"app:v{number}", id=f"sha256:{number:012x}{'0' * 52}")
            mark = pull_mark("shop", f"app:v{number}", image.id)
            assert mark is not None
            engine.add_image(mark.text, image)
            entries.append({"web": ServiceRecord(f"r{number}", f"app:v{number}", image.id, "", "")})
        ran = [
            replace(record, services=services)
            for record, services in zip(records(0, 0), entries, strict=True)
        ]
        return await gather_growth(cast("Engine", engine), "shop", ran)

    assert asyncio.run(gathered()) == DiskGrowth(1000, 2, 9)


@pytest.mark.parametrize(
    ("free", "there", "level", "words"),
    [
        (1000, 3, "ok", "a deploy adds about 100.0 MB, and `keep_releases` is 5: that fits"),
        (300, 3, "ok", "that fits"),  # two more stay, and one is there before another goes
        (299, 3, "warning", "full in 2 deploys: a deploy adds about 100.0 MB"),
        (150, 2, "warning", "full in 1 deploy:"),
        (100, 5, "ok", "that fits"),
        (99, 5, "warning", "full with the next deploy:"),
        (99, 9, "warning", "full with the next deploy:"),
    ],
)
def test_the_forecast_warns_only_of_a_disk_that_will_be_full(
    free: int, there: int, level: str, words: str
) -> None:
    """Not of one that is small: deploys remove as much as they add once `keep_releases` are there."""
    disk = FreeSpace(2000 * MB, free * MB)
    (found,) = judge_growth(DiskGrowth(100 * MB, there, 5), disk)
    assert (found.name, found.level) == ("disk forecast", level)
    assert found.what.startswith(words) or found.what.endswith(words)
    assert (found.fix is None) == (level == "ok")


def test_without_figures_there_is_no_forecast() -> None:
    """Of a project that was deployed once, or an unknown disk."""
    assert judge_growth(None, FreeSpace(1, 1)) == judge_growth(DiskGrowth(1, 2, 5), None) == []
