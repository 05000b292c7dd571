"""What is remembered of a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.image.json_files import cache_file
from ftl.image.transfer.link_speed import recall_speed, remember_speed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_each_server_has_its_link() -> None:
    """The last word counts; no speed is no word."""
    assert recall_speed("shop", 0.05) is None
    remember_speed("shop", 2.5e6, 0.05)
    remember_speed("blog", 80e6, 0.001)
    remember_speed("shop", None, 0.05)
    assert (recall_speed("shop", 0.05), recall_speed("blog", 0.001)) == (2.5e6, 80e6)
    remember_speed("shop", 3e6, 0.05)
    assert recall_speed("shop", 0.05) == 3e6


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        (0.001, 0.011, True),
        (0.001, 0.03, False),
        (0.05, 0.1, True),
        (0.05, 0.12, False),
        (0.3, 0.01, True),
    ],
    ids=["jitter", "left-the-house", "busy", "farther", "nearer"],
)
def test_a_link_that_is_longer_is_another(then: float, now: float, same: bool) -> None:
    """A speed that was measured next to the server says nothing of a link across the country."""
    remember_speed("shop", 50e6, then)
    assert recall_speed("shop", now) == (50e6 if same else None)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"shop": 3000000}', '{"shop": {"speed": "x", "round_trip": 1}}', '{"shop": {"speed": -1}}'],
)
def test_a_file_that_says_something_else_is_no_memory(content: str) -> None:
    """An older FTL wrote it, or somebody's editor."""
    path = cache_file("links.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert recall_speed("shop", 0.01) is None
