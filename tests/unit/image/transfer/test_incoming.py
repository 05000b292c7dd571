"""The temporary tags of a transfer."""

from __future__ import annotations

import time

from ftl.engine import Engine
from ftl.engine.values import Image
from ftl.image.transfer.incoming import Incoming, is_temporary, stale

NOWHERE = Engine("unix:///nowhere", name="nowhere")


def listed(*tags: str) -> Image:
    """An image of these tags."""
    return Image("sha256:1", tags, (), (), {}, "linux/amd64", 0)


def test_temporary_tags_are_stale_after_a_day() -> None:
    """Others are someone's work under way, or not ours."""
    day = 24 * 3600
    old, young = "ftl-incoming:100-ab-01234567-0", f"ftl-incoming:{day}-ab-01234567-0"
    image = listed(old, young, "ftl-incoming:latest", "web:100-ab-01234567-0")
    assert stale([image], (), now=day + 200.0) == [old]


def test_temporary_tags_of_repositories_that_are_ours_alone_are_stale_at_once() -> None:
    """Whatever the tag they are for."""
    (ours, others) = Incoming(NOWHERE, ["localhost:5000/web:r1", "api:r1"]).tags
    assert stale([listed(ours, others)], ["localhost:5000/web:r2"], now=time.time()) == [ours]


def test_what_is_temporary_is_known_by_its_name() -> None:
    """It is no image of anyone's that differences are made to."""
    assert all(map(is_temporary, Incoming(NOWHERE, ["web:r1"]).tags))
    assert not is_temporary("ftl-incoming-web:r1")
