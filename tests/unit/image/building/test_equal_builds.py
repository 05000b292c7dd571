"""Services with equal builds share one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl.config.models.project import Build, BuildSecret, Service
from ftl.image.building.batch import equal_builds

ROOT = Path("/app")


def service(name: str, **build: object) -> Service:
    """A service with this build."""
    return Service(name=name, build=Build(**build))  # type: ignore[arg-type]


def test_equal_builds_are_grouped_in_the_order_of_the_services() -> None:
    """Two spellings of one folder are equal."""
    services = [
        service("a"),
        service("b", context="b"),
        service("c", context="./"),
        service("d", context="../app"),
    ]
    names = [[each.name for each in group] for group in equal_builds(services, ROOT)]
    assert names == [["a", "c", "d"], ["b"]]


def test_a_build_that_spells_out_a_default_is_equal_to_one_that_does_not() -> None:
    """The server's platform, and another spelling of the Dockerfile's path."""
    services = [service("a"), service("b", platform="linux/amd64"), service("c", dockerfile="./Dockerfile")]
    assert len(equal_builds(services, ROOT, "linux/amd64")) == 1
    assert len(equal_builds(services, ROOT, "linux/arm64")) == 2


@pytest.mark.parametrize(
    "difference",
    [
        {"dockerfile": "Dockerfile.prod"},
        {"target": "run"},
        {"args": {"A": "1"}},
        {"secrets": (BuildSecret(id="x"),)},
        {"platform": "linux/arm64"},
    ],
    ids=lambda difference: str(next(iter(difference))),
)
def test_a_build_that_differs_is_another_one(difference: dict[str, object]) -> None:
    """Each key of `build` may change the image."""
    assert len(equal_builds([service("a"), service("b", **difference)], ROOT)) == 2
