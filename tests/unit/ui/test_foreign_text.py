"""No output contains control characters from servers, files or programs."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ftl.errors import ConfigError, ErrorContext, FtlError, LockTaken, Problem
from ftl.server.doctor import Finding
from ftl.ui import findings
from ftl.ui.failure import draw
from ftl.ui.log_lines import LogLines
from ftl.ui.reporters.board import Board
from ftl.ui.reporters.plain import Plain
from ftl.ui.reporters.terminal import Terminal
from ftl.ui.reporters.transcript import Transcript
from ftl.ui.sanitize import escaped, printable
from ftl.ui.style import Style, red
from ftl.ui.table import table
from tests.unit.ui.samples import EVERY

if TYPE_CHECKING:
    from ftl.events import Event

BIDI_AND_ZERO_WIDTH = [
    chr(code)
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0x200B, 0x2010), 0xFEFF, 0x061C)
]

SEQUENCES = [
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[31m",
    "\x1b",
    "\x9b2J",
    "\x00",
    "\r",
    "\x85",
    *BIDI_AND_ZERO_WIDTH,
]

FOREIGN = st.lists(st.sampled_from(SEQUENCES) | st.text(max_size=4), min_size=1, max_size=5).map("".join)


def unsafe(text: str) -> list[str]:
    """Characters of a text that steer a terminal, reorder text or cannot be seen."""
    controls = (one for one in text if unicodedata.category(one) == "Cc" and one not in "\n\t")
    return [*controls, *(one for one in text if one in BIDI_AND_ZERO_WIDTH)]


def with_text(event: Event, text: str) -> Event:
    """The event with this text in every field of text."""
    hints = get_type_hints(type(event))
    texts: dict[str, Any] = {}
    for field in fields(event):
        if hints[field.name] in (str, str | None) and field.name not in ("step", "state"):
            texts[field.name] = text
        elif hints[field.name] == tuple[str, ...]:
            texts[field.name] = (text, text)
    return replace(event, **texts)


@settings(deadline=None)
@given(FOREIGN)
def test_errors(text: str) -> None:
    """No part of an error contains any."""
    failed = FtlError(text, cause=text, hint=text, place=ErrorContext(text, text, text)).with_details(
        [text, text]
    )
    problem = Problem(text, text, 3, 2, text, text)
    wrong = ConfigError([problem, problem])
    assert unsafe(draw([failed, wrong], Style())) == []


@settings(deadline=None)
@given(FOREIGN, st.sampled_from(EVERY))
def test_plain_lines(text: str, event: Event) -> None:
    """No plain line of an event contains any."""
    stream = io.StringIO()
    Plain(stream, Transcript(verbose=1)).emit(with_text(event, text))
    assert unsafe(stream.getvalue()) == []


@settings(deadline=None)
@given(FOREIGN, st.sampled_from(EVERY))
def test_the_terminal(text: str, event: Event) -> None:
    """Neither the transcript nor the live part on a terminal contains any."""
    stream = io.StringIO()
    plain = {"color_system": None, "width": 80, "height": 24}
    reporter = Terminal(Console(file=stream, **plain), Transcript(verbose=1), Board())  # type: ignore[arg-type]
    for each in (with_text(other, text) for other in EVERY[:8]):
        reporter.emit(each)
    reporter.emit(with_text(event, text))
    live = Console(file=stream, **plain)  # type: ignore[arg-type]
    live.print(reporter.live_part())
    reporter.close()
    assert unsafe(stream.getvalue()) == []


@settings(deadline=None)
@given(FOREIGN)
def test_tables_and_findings(text: str) -> None:
    """Neither cells of tables nor findings contain any."""
    lines = table(("A", "B"), [(text, "x"), ("y", text)], width=40, sentences=("B",))
    found = [Finding("here", text, "problem", text, text)]
    lines += (Style(colour=False).line(*parts) for parts in findings.draw(found, width=40, is_unicode=True))
    assert unsafe("".join(lines)) == []


@settings(deadline=None)
@given(FOREIGN)
def test_lines_with_colour(text: str) -> None:
    """A coloured line contains only the colours that FTL sets."""
    coloured = Style(colour=True).line("a ", red(f"b{text}"), text)
    start, end = "a \x1b[1;31mb", "\x1b[0m"
    assert coloured.startswith(start)
    assert unsafe(coloured.removeprefix(start).replace(end, "", 1)) == []


@settings(deadline=None)
@given(FOREIGN)
def test_log_lines_on_a_terminal(text: str) -> None:
    """A log line on a terminal keeps only its colours."""
    clean = printable(text, colour=True)
    for code in range(200):
        clean = clean.replace(f"\x1b[{code}m", "")
    assert unsafe(clean) == []
    assert unsafe(printable(text)) == []


@settings(deadline=None)
@given(FOREIGN)
def test_escapes_are_made_once(text: str) -> None:
    """Escaping is idempotent."""
    assert escaped(escaped(text)) == escaped(text)


def test_escapes_can_be_read() -> None:
    """An escaped character can be identified, so that a wrong key can be found."""
    assert escaped("en\x1b]0;owned\x07v \u202e\x85\t\n") == "en\\x1b]0;owned\\x07v \\u202e\\x85\t\n"


@pytest.mark.parametrize("line", ["\x1b\x00[2J", "\x1b\u200b[2J", "\x1b\x1b[3A[2J", "\x1b\x1b[31m[2J"])
def test_what_is_removed_leaves_no_sequence_behind(line: str) -> None:
    """Removing a character does not make an escape sequence of its neighbours."""
    assert "\x1b[2J" not in printable(line, colour=True)
    assert "\x1b" not in printable(line)


def test_the_holder_of_a_lock_is_shown_harmlessly() -> None:
    """The text of a lock file on the server cannot write the clipboard."""
    holder = "\x1b]52;c;ZXZpbA==\x07\x1b[2Jroot"
    error = LockTaken(f"another deploy is under way, by {holder}", holder=holder)
    assert draw([error], Style()) == (
        "error: another deploy is under way, by \\x1b]52;c;ZXZpbA==\\x07\\x1b[2Jroot"
    )


def test_a_page_as_a_cause_is_shortened() -> None:
    """A page as the answer to a health check does not fill the screen."""
    drawn = draw([FtlError("web is not healthy", cause="x" * 2000)], Style())
    assert len(drawn) < 500
    assert drawn.endswith("(1600 more characters)")


def test_log_lines_in_a_pipe_stay_as_they_are() -> None:
    """A program that reads `ftl logs` from a pipe gets the lines unchanged."""
    stream = io.StringIO()
    LogLines(stream, timestamps=False, prefix=False).write("web", "t", "\u202eabc\x1b[31m")
    assert stream.getvalue() == "\u202eabc\x1b[31m\n"
