"""What single commands make of their own arguments."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftl.cli.logs import moment
from ftl.cli.status import since
from ftl.cli.tunnels import choice
from ftl.deploy.tunnels import Choice
from ftl.errors import UsageError

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", "2026-01-31T11:50:00Z"),
        ("1h30m", "2026-01-31T10:30:00Z"),
        ("500ms", "2026-01-31T11:59:59.500000Z"),
        ("2d", "2026-01-29T12:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
    ],
)
def test_since(text: str, expected: str) -> None:
    """--since takes how long ago it was, or the time itself in any zone."""
    assert moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "1.2.3s", "yesterday", "-5m", "99999999999d"])
def test_since_refuses_the_rest(text: str) -> None:
    """What is no time is a mistake of the command line."""
    with pytest.raises(UsageError):
        moment(text, now=NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres=15432", Choice("postgres", 15432)),
        ("rabbitmq:15672=25672", Choice("rabbitmq", 25672, 15672)),
    ],
)
def test_port_choices(text: str, expected: Choice) -> None:
    """-p says which local port a dependency gets, or one port of it."""
    assert choice(text) == expected


@pytest.mark.parametrize("text", ["postgres", "=1", "a=b", "a:b=1", "a=123456"])
def test_port_choices_refuse_the_rest(text: str) -> None:
    """What is no choice of a port is a mistake of the command line."""
    with pytest.raises(UsageError):
        choice(text)


@pytest.mark.parametrize(
    ("started", "expected"),
    [("2026-01-31T11:59:26.123456789Z", "34 s"), ("2026-01-28T12:00:00Z", "3 days"), ("", "-")],
)
def test_how_long_something_runs(started: str, expected: str) -> None:
    """The engine's time of start becomes an age."""
    assert since(started, now=NOW) == expected
