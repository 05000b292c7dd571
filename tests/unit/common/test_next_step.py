"""Marked commands are completed once, on their way out; what others wrote is left alone."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from ftl.common.next_step import bare_ftl, complete_by, completed, ftl, ftl_again, plain
from ftl.common.redact import redacted_json
from ftl.errors import FtlError
from ftl.events import HookOutput, Note
from ftl.server.doctor import Finding
from ftl.ui.failure import as_record, draw
from ftl.ui.findings import draw as draw_findings
from ftl.ui.reporters.json_lines import JsonLines
from ftl.ui.reporters.plain import Plain
from ftl.ui.reporters.transcript import Transcript
from ftl.ui.sanitize import escaped, printable
from ftl.ui.style import Style
from ftl.ui.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

HOOK = HookOutput("web", "pre", "run `ftl deploy` | ftl logs")
NOTE = Note(f"run {ftl('deploy web')}", hint=f"or {ftl('status')}")


@pytest.fixture(autouse=True)
def _completing() -> Iterator[None]:
    complete_by(lambda words: f"-e x {words}")
    yield
    complete_by(None)


def test_a_marked_command_is_completed_once() -> None:
    """A second way out finds nothing to do."""
    text = f"{ftl('deploy web')}, `pass show A | {bare_ftl('secrets set A')}`: then {bare_ftl('a')}, {bare_ftl('b')}"
    shown = "`ftl -e x deploy web`, `pass show A | ftl -e x secrets set A`: then ftl -e x a, ftl -e x b"
    assert completed(text) == completed(completed(text)) == shown
    assert escaped(escaped(text)) == shown
    assert plain(text) == shown.replace("-e x ", "")


def test_outside_a_call_a_command_stays_as_it_is() -> None:
    """The sentinels go all the same."""
    complete_by(None)
    assert completed(ftl("deploy")) == "`ftl deploy`"


@pytest.mark.parametrize("others", ["", "| ", "\ufdd0", "\ufdd0" * 12])
def test_words_of_others_are_not_touched(others: str) -> None:
    """Not even noncharacters before them make a sentinel: which ones do is drawn by lot."""
    text = f"{others}`ftl deploy`"
    assert completed(text) == text
    assert "-e x" not in escaped(text) + printable(text) + redacted_json({"line": text})
    error = FtlError(f"`{text}` failed", cause=text, hint=text).with_details([text])
    assert "-e x" not in draw([error], Style())


def test_each_part_of_an_error_is_completed() -> None:
    """Message, cause and hint; as text and in JSON."""
    error = FtlError(f"no: {ftl('a')}", cause=f"no {ftl('b')}", hint=f"{ftl('c')} does it")
    for shown in (draw([error], Style()), redacted_json(as_record(error))):
        assert all(f"`ftl -e x {name}`" in shown for name in "abc")
        assert shown.isascii()


def test_a_table_is_as_wide_as_what_it_shows() -> None:
    """Columns are measured after their commands are complete."""
    rows = [[f"behind: {ftl('deploy')}", "1"], ["-", "2"]]
    first, second = table(["PROXY", "N"], rows)[1:]
    assert first == "behind: `ftl -e x deploy`  1"
    assert second.index("2") == first.index("1")


def test_a_fix_of_doctor_is_completed() -> None:
    """A command stays in one line, whatever it has become."""
    finding = Finding("there", "cron", "problem", "no cron", f"{ftl('setup --swap 1G')} installs it")
    lines = [
        "".join(str(part) for part in line) for line in draw_findings([finding], width=24, is_unicode=True)
    ]
    assert any("`ftl -e x setup --swap 1G`" in line for line in lines)


def test_events_are_completed_for_people_and_programs() -> None:
    """A note is ours, the output of a hook is not."""
    lines = io.StringIO()
    as_json = JsonLines(lines)
    for event in (NOTE, HOOK):
        as_json.emit(event)
    note, hook = map(json.loads, lines.getvalue().splitlines())
    assert (note["text"], note["hint"]) == ("run `ftl -e x deploy web`", "or `ftl -e x status`")
    assert hook["line"] == HOOK.line

    text = io.StringIO()
    for_people = Plain(text, Transcript(verbose=1))
    for event in (NOTE, HOOK):
        for_people.emit(event)
    assert "run `ftl -e x deploy web`" in text.getvalue()
    assert HOOK.line in text.getvalue()


def test_the_command_of_the_call_with_another_option() -> None:
    """A hint after `ftl status` named `ftl deploy`, which is not what was asked for."""
    complete_by(lambda words: words, "status")
    assert completed(ftl_again("--server sandbox")) == "`ftl status --server sandbox`"
    complete_by(None)
    assert completed(ftl_again("--server sandbox")) == "`ftl deploy --server sandbox`"
