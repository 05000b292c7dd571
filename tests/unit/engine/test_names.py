"""Validation of names and conversion of timestamps in requests."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.engine.calls.containers import unix_time
from ftl.engine.client import checked
from ftl.errors import EngineError, UsageError


@pytest.mark.parametrize(
    "name",
    [
        "web",
        "shop-web:r5",
        "localhost:5000/a/b:1",
        "a@sha256:" + "0" * 64,
        "sha256:" + "0" * 64,
        "ghcr.io/a/b",
    ],
)
def test_names_and_references_pass(name: str) -> None:
    """Names that Docker allows go unchanged into the request."""
    assert checked(name) == name


@pytest.mark.parametrize(
    "name", ["", "-x", "/etc", "a/../b", "..", "a?all=1", "a#b", "a b", "a%2e", "ü", "a\n"]
)
def test_a_name_that_would_change_the_request_is_refused(name: str) -> None:
    """A name cannot become a path, a query or a fragment of the engine's API."""
    with pytest.raises(EngineError, match="is not a name"):
        checked(name)


def test_a_timestamp_keeps_its_nanoseconds() -> None:
    """The engine gets its timestamps back exactly, so that no log line is lost or repeated."""
    assert unix_time("2026-01-02T03:04:05.000000006Z") == "1767323045.000000006"
    assert unix_time("2026-01-02T04:04:05.5+01:00") == "1767323045.500000000"


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))
def test_every_timestamp_of_the_engine_can_be_converted(moment: datetime) -> None:
    """The result is the number of seconds since 1970."""
    seconds, _dot, fraction = unix_time(moment.isoformat() + "Z").partition(".")
    whole = moment.replace(microsecond=0) - datetime(1970, 1, 1)
    assert int(seconds) == round(whole.total_seconds())
    assert int(fraction) == moment.microsecond * 1000


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-01-02", "10m", "2026-01-02T03:04:05"])
def test_an_invalid_timestamp_is_refused(stamp: str) -> None:
    """A timestamp without a zone, or other text, is a usage error."""
    with pytest.raises(UsageError):
        unix_time(stamp)
