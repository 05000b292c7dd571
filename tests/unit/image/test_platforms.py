"""Platforms of servers: remembered by server, compared in any spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.platforms import recall_platform, remember_platform, same_platform

if TYPE_CHECKING:
    from pathlib import Path


def test_a_servers_platform_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server has its own; an unknown server has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remember_platform("shop.example.com", "linux/arm64")
    remember_platform("other.example.com", "linux/amd64")
    platforms = [recall_platform(f"{name}.example.com") for name in ("shop", "other", "third")]
    assert platforms == ["linux/arm64", "linux/amd64", None]


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/amd64", "linux/x86_64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/arm/v7", "linux/arm/v6", False),
    ],
)
def test_platforms_are_compared_in_any_spelling(first: str, second: str, equal: bool) -> None:
    """Engines and people spell the same platform in several ways."""
    assert same_platform(first, second) is equal
