"""The temporary tags of a transfer."""

from __future__ import annotations

from ftl.engine.values import Image
from ftl.image.transfer.incoming import stale


def test_temporary_tags_are_stale_after_a_day() -> None:
    """Others are someone's work under way, or not ours."""
    day = 24 * 3600
    tags = ("ftl-incoming:100-ab-0", f"ftl-incoming:{day}-ab-0", "ftl-incoming:latest", "web:100-ab-0")
    image = Image("sha256:1", tags, (), (), {}, "linux/amd64", 0)
    assert stale([image], now=day + 200.0) == ["ftl-incoming:100-ab-0"]
