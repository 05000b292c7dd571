"""Events as plain lines and as JSON lines."""

from __future__ import annotations

import errno
import io
import json
import os
from dataclasses import fields
from pathlib import Path

import pytest

from ftl.events import Event, StepFinished, StepStarted, Switched
from ftl.ui.reporters.json_lines import JsonLines
from ftl.ui.reporters.plain import Plain
from ftl.ui.reporters.transcript import Transcript
from tests.unit.ui.samples import EVERY


class Failing(io.StringIO):
    """A stream that cannot be written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, _text: str) -> int:
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_every_event_is_one_json_line(event: Event) -> None:
    """With --json each event is one line: an object with its type and all its fields."""
    stream = io.StringIO()
    JsonLines(stream).emit(event)
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("type") == event.type
    assert set(record) == {field.name for field in fields(event)}


def test_plain_lines_carry_no_escape() -> None:
    """Plain lines have neither colours nor cursor movements."""
    stream = io.StringIO()
    reporter = Plain(stream, Transcript(verbose=1))
    for event in EVERY:
        reporter.emit(event)
    assert "\x1b" not in stream.getvalue()
    assert "web: healthy after 1.2 s\n" in stream.getvalue()


@pytest.mark.parametrize(
    ("step", "seconds", "lines"),
    [
        ("record", 0.2, ["record r2 as live (0.2 s)"]),
        ("record", 0.02, ["record r2 as live"]),
        ("attach", 0.02, ["record r2 as live"]),
        ("attach", 0.2, ["record r2 as live", "record r2 as live (0.2 s)"]),
    ],
)
def test_no_line_is_written_twice(step: str, seconds: float, lines: list[str]) -> None:
    """With -v a slow step has a line at its start and at its end, a quick one only one."""
    stream = io.StringIO()
    reporter = Plain(stream, Transcript(verbose=1))
    reporter.emit(StepStarted(step, "record r2 as live"))
    reporter.emit(StepFinished(step, "record r2 as live", seconds))
    assert stream.getvalue().splitlines() == lines


def test_a_hook_has_a_line_when_it_begins() -> None:
    """Also without -v: in CI nothing else would say what a deploy waits for."""
    stream = io.StringIO()
    reporter = Plain(stream, Transcript())
    reporter.emit(StepStarted("run_hook", "run the pre hook of web in the new image", "web"))
    assert stream.getvalue() == "web: run the pre hook of web in the new image\n"


def test_quiet_says_nothing() -> None:
    """With --quiet no event prints a line."""
    stream = io.StringIO()
    reporter = Plain(stream, None)
    for event in EVERY:
        reporter.emit(event)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("make", [JsonLines, lambda stream: Plain(stream, Transcript())])
def test_a_stream_that_fails_does_not_stop_the_work(make: type[JsonLines], number: int) -> None:
    """Events raise nothing when the reader or terminal is gone, or the disk is full."""
    reporter = make(Failing(number))
    reporter.emit(Switched("r5", ("web",)))
    reporter.emit(Switched("r6", ("web",)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_left_for_the_result_to_meet() -> None:
    """Events on a full disk raise nothing, but writing the result still fails."""
    with pytest.raises(OSError, match="No space"), Path("/dev/full").open("w") as full:  # noqa: PT012
        JsonLines(full).emit(Switched("r5", ("web",)))
        full.write("the result")
        full.flush()
