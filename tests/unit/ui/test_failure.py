"""Errors as text and as JSON records."""

from __future__ import annotations

import json

from ftl.errors import ConfigError, ErrorContext, FtlError, Interrupted, Problem
from ftl.ui.failure import as_record, draw
from ftl.ui.style import Style

PLAIN = Style()


def test_an_error_says_what_where_why_and_what_next() -> None:
    """The last lines of output come first; then the message, its place, its cause and a hint."""
    error = FtlError(
        "web did not become healthy",
        cause="exited with code 1\nsee below",
        hint="look at the log: `ftl logs web`",
        place=ErrorContext("shop.example.com", "web", "wait until web is healthy"),
    ).with_details(["Traceback", "KeyError: 'DATABASE_URL'"])
    assert draw([error], PLAIN).splitlines() == [
        "  | Traceback",
        "  | KeyError: 'DATABASE_URL'",
        "",
        "error: web did not become healthy",
        "  at shop.example.com, web, wait until web is healthy",
        "  because: exited with code 1",
        "           see below",
        "hint: look at the log: `ftl logs web`",
    ]


def test_foreign_lines_are_made_safe_for_the_terminal() -> None:
    """Output of containers and programs can neither clear the screen nor fill it."""
    foreign = "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\x08"
    error = FtlError("failed", cause=foreign).with_details([foreign, "x" * 3_000_000])
    first, second, _, _, because = draw([error], PLAIN).splitlines()
    assert (because, first) == ("  because: red", "  | red")
    assert len(second) < 3000
    assert second.endswith("(2998000 more characters)")


def test_a_hint_stands_right_below_words_of_ours() -> None:
    """The hint follows the message without an empty line."""
    error = FtlError("there is no ftl.yaml", hint="`ftl init` writes one")
    assert draw([error], PLAIN).splitlines() == ["error: there is no ftl.yaml", "hint: `ftl init` writes one"]


def test_a_problem_shows_its_line_with_a_caret() -> None:
    """A problem in a file shows file, line and column, with a caret."""
    problem = Problem("unknown key `prot`", "ftl.yaml", 12, 5, "    prot: 8000", "did you mean `port`?")
    assert draw([ConfigError([problem])], PLAIN).splitlines() == [
        "error: unknown key `prot`",
        "  ftl.yaml:12:5",
        "  12 |     prot: 8000",
        "     |     ^",
        "hint: did you mean `port`?",
    ]


def test_of_a_very_long_line_the_part_around_the_caret_is_shown() -> None:
    """A very long line is cut on both sides, and the caret stays below its character."""
    source = "a" * 3000 + "X" + "b" * 3000
    error = ConfigError([Problem("port: no", "ftl.yaml", 4, 3001, source)])
    _, _, shown, caret = draw([error], PLAIN).splitlines()
    assert len(shown) < 200
    assert shown[caret.index("^")] == "X"


def test_the_caret_is_right_after_tabs() -> None:
    """A tab before the place does not shift the caret: both use four columns."""
    drawn = draw([ConfigError([Problem("tab", "ftl.yaml", 2, 2, "\tname: x")])], PLAIN)
    assert drawn.splitlines()[2:] == ["  2 |     name: x", "    |     ^"]


def test_several_problems_are_counted_and_all_shown() -> None:
    """All problems of a file are shown below their number."""
    problems = [
        Problem("one", "ftl.yaml", 1, 1, "a"),
        Problem("two", ".env"),
        Problem("three", "ftl.yaml", 3),
    ]
    drawn = draw([ConfigError(problems)], PLAIN)
    assert drawn.startswith("error: 3 problems in .env and ftl.yaml\n\nerror: one\n  ftl.yaml:1:1\n")
    assert "error: two\n  .env\n" in drawn
    assert drawn.endswith("error: three\n  ftl.yaml:3")


def test_colour_adds_nothing_but_colour() -> None:
    """The text is the same with and without colour."""
    import re

    error = FtlError("failed", cause="so", hint="do", place=ErrorContext("h")).with_details(["x"])
    coloured = draw([error], Style(colour=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == draw([error], PLAIN)


def test_stopping_on_request_is_no_error() -> None:
    """An interruption is not labelled an error."""
    assert draw([Interrupted("stopped")], PLAIN) == "stopped"


def test_the_record_is_json_with_every_part() -> None:
    """The JSON record has message, cause, hint, place, details and all problems."""
    problem = Problem("unknown key `prot`", "ftl.yaml", 12, 5, "    prot: 8000", "did you mean `port`?")
    record = json.loads(json.dumps(as_record(ConfigError([problem]))))
    assert record["message"] == "unknown key `prot`"
    assert record["problems"][0]["line"] == 12
    assert record["place"] is None
    placed = as_record(FtlError("x", place=ErrorContext(server="h", step="s")).with_details(["a"]))
    assert placed["place"] == {"server": "h", "step": "s"}
    assert placed["details"] == ["a"]


def test_of_several_errors_the_reasons_come_last() -> None:
    """Output of all errors comes first, each line with its service; the reasons come last."""
    web = FtlError("web failed", cause="exit 1", place=ErrorContext(service="web")).with_details(["a"])
    api = FtlError("api failed", cause="exit 2", place=ErrorContext(service="api")).with_details(["b"])
    assert draw([web, api], PLAIN).splitlines() == [
        "  web | a",
        "  api | b",
        "",
        "error: web failed",
        "  at web",
        "  because: exit 1",
        "error: api failed",
        "  at api",
        "  because: exit 2",
    ]
