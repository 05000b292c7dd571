"""Fingerprint of the proxy's container settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.dataclass import dataclass
from ftl.engine.specs import ContainerSpec, Publish
from ftl.engine.values import Mount
from ftl.proxy.lifecycle.fingerprint import fingerprint

SPEC = ContainerSpec(
    "caddy:2", {}, mounts=(Mount("config", "/config"), Mount("data", "/data")), publish=(Publish(80, 80),)
)


def test_the_image_does_not_count() -> None:
    """An upgrade compares images by ID."""
    assert fingerprint(replace(SPEC, image="caddy:3")) == fingerprint(SPEC)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, env={"A": "1"}),
        replace(SPEC, mounts=(Mount("config", "/config", read_only=True), SPEC.mounts[1])),
        replace(SPEC, publish=(Publish(80, 80, protocol="udp"),)),
        replace(SPEC, restart="no"),
    ],
)
def test_settings_count(changed: ContainerSpec) -> None:
    """Every setting of the container changes it, also inside mounts and ports."""
    assert fingerprint(changed) != fingerprint(SPEC)


def test_an_added_field_counts_only_where_it_is_set() -> None:
    """So a new version of FTL does not replace proxies whose settings it does not change."""
    newer = _with_added_field()
    assert fingerprint(
        newer(SPEC.image, SPEC.labels, mounts=SPEC.mounts, publish=SPEC.publish)
    ) == fingerprint(SPEC)
    assert fingerprint(
        newer(SPEC.image, SPEC.labels, mounts=SPEC.mounts, publish=SPEC.publish, added="x")
    ) != (fingerprint(SPEC))


def _with_added_field() -> type[ContainerSpecWithMore]:
    ContainerSpecWithMore.__name__ = "ContainerSpec"
    return ContainerSpecWithMore


@dataclass(frozen=True, slots=True)
class ContainerSpecWithMore(ContainerSpec):
    """A later version of ContainerSpec."""

    added: str = ""
