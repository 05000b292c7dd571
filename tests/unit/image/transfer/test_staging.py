"""Tests of the staging tags of a transfer."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ftl.engine.api import Engine
from ftl.engine.convert import engine_info
from ftl.engine.values import Image
from ftl.image.transfer.staging import StagedImages, is_temporary, stale_tags

NOWHERE = Engine("unix:///nowhere", name="nowhere")


def listed(*tags: str) -> Image:
    """An image with these tags."""
    return Image("sha256:1", tags, (), (), {}, "linux/amd64", 0)


def test_staging_tags_are_stale_after_a_day() -> None:
    """Younger ones may belong to a running transfer, others are not FTL's."""
    day = 24 * 3600
    old, young = "ftl-incoming:100-ab-01234567-0", f"ftl-incoming:{day}-ab-01234567-0"
    image = listed(old, young, "ftl-incoming:latest", "web:100-ab-01234567-0")
    assert stale_tags([image], "", now=day + 200.0) == [old]


def test_staging_tags_under_the_callers_lock_are_stale_at_once() -> None:
    """The transfer that made them cannot be running any more."""
    tags = [StagedImages(NOWHERE, 1, time.time(), lock).tags[0] for lock in ("shop", "blog", "")]
    assert stale_tags([listed(*tags)], "shop", now=time.time()) == tags[:1]
    assert stale_tags([listed(*tags)], "", now=time.time()) == []


def test_the_age_of_staging_tags_is_that_of_the_servers_clock() -> None:
    """A machine whose clock is two days behind, or ahead, removes nothing of a transfer that runs."""
    ahead = 2 * 24 * 3600.0
    there = engine_info({"SystemTime": datetime.fromtimestamp(time.time() + ahead, UTC).isoformat()}, "1.41")
    assert abs(there.clock_ahead - ahead) < 10
    assert engine_info({"SystemTime": "2026-01-02T03:04:05.123456789+02:00"}, "1.41").clock_ahead
    running = StagedImages(NOWHERE, 1, there.now).tags
    assert stale_tags([listed(*running)], "", now=there.now) == []
    assert stale_tags([listed(*running)], "", now=time.time()) == list(running)


def test_staging_tags_are_recognised_by_their_name() -> None:
    """Their images are no base of deltas."""
    assert all(map(is_temporary, StagedImages(NOWHERE, 2, 100.0).tags))
    assert not is_temporary("ftl-incoming-web:r1")
