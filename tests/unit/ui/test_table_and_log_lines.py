"""Tables and log lines."""

from __future__ import annotations

import io

import pytest

from ftl.ui.log_lines import LogLines
from ftl.ui.style import Style
from ftl.ui.table import table

HEADER = ("SERVICE", "IMAGE")
ROWS = [("web", "registry.example.com/team/shop-web:r5"), ("a-long-name", "x")]


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_columns_line_up() -> None:
    """Columns are aligned, and no line ends in spaces."""
    assert table(HEADER, ROWS) == [
        "SERVICE      IMAGE",
        "web          registry.example.com/team/shop-web:r5",
        "a-long-name  x",
    ]


WIDE = ("SERVICE", "IMAGE", "HEALTH", "PORTS")
WIDE_ROWS = [
    ("web", "registry.example.com/team/shop-web:r5", "healthy", "80->8000, 443->8443"),
    ("postgres", "postgres:16", "unhealthy: connection refused, not live", "5432"),
]


def narrow(width: int | None) -> list[str]:
    """A table with optional columns."""
    return table(WIDE, WIDE_ROWS, width=width, optional=("PORTS", "IMAGE"), sentences=("HEALTH",))


def test_the_least_important_columns_go_first() -> None:
    """A narrow terminal shows as many columns as fit, the least important go first."""
    assert narrow(None)[0].split() == ["SERVICE", "IMAGE", "HEALTH", "PORTS"]
    assert narrow(100)[0].split() == ["SERVICE", "IMAGE", "HEALTH", "PORTS"]
    assert narrow(80)[0].split() == ["SERVICE", "IMAGE", "HEALTH"]
    assert narrow(60)[0].split() == ["SERVICE", "HEALTH"]


@pytest.mark.parametrize("width", [100, 80, 60, 40, 30])
def test_lines_fit_and_no_word_is_broken(width: int) -> None:
    """At any width names and ports stay whole, and sentences are wrapped between words."""
    lines = narrow(width)
    assert max(map(len, lines)) <= width
    words = {word for row in (WIDE, *WIDE_ROWS) for cell in row for word in cell.split()}
    assert {word for line in lines for word in line.split()} <= words
    assert "refused," in " ".join(lines)


def test_what_cannot_be_left_out_is_not_cut() -> None:
    """Without optional columns a line may be longer than the terminal, but no cell is cut."""
    assert table(HEADER, ROWS, width=20) == table(HEADER, ROWS)


def test_wide_characters_take_two_columns() -> None:
    """East Asian characters count as two columns, so the next column stays aligned."""
    assert table(("A", "B"), [("日本", "x"), ("abcd", "y")]) == ["A     B", "日本  x", "abcd  y"]


def test_an_empty_table_is_its_header() -> None:
    """A table without rows is its header."""
    assert table(HEADER, []) == ["SERVICE  IMAGE"]


def test_log_lines_are_prefixed_and_raw_in_a_pipe() -> None:
    """In a pipe a line is unchanged, after its container's name."""
    stream = io.StringIO()
    lines = LogLines(stream, timestamps=False, prefix=True)
    lines.write("web-r5", "t", "\x1b[31mred\x1b[0m\rx")
    lines.write("db", "t", "two")
    assert stream.getvalue() == "web-r5 | \x1b[31mred\x1b[0m\rx\ndb     | two\n"


def test_the_prefix_is_as_wide_as_the_longest_name_from_the_first_line() -> None:
    """Names are known before lines come, so no later line is indented further than the first."""
    stream = io.StringIO()
    lines = LogLines(stream, timestamps=False, prefix=True)
    lines.expect(["db", "worker-r12-1"])
    lines.write("db", "t", "one")
    lines.write("worker-r12-1", "t", "two")
    assert stream.getvalue() == "db           | one\nworker-r12-1 | two\n"


def test_log_lines_without_prefix_and_with_time() -> None:
    """The container's name can be left out, and the time added."""
    stream = io.StringIO()
    lines = LogLines(stream, timestamps=True, prefix=False)
    lines.write("web-r5", "2026-01-01T00:00:00.5Z", "one")
    assert stream.getvalue() == "2026-01-01T00:00:00.5Z one\n"


def test_each_container_has_its_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each container has a colour, and no line moves the cursor."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Tty()
    lines = LogLines(stream, timestamps=False, prefix=True)
    lines.write("a", "t", "\x1b[2Jone")
    lines.write("b", "t", "two")
    lines.write("a", "t", "three")
    first, second, third = stream.getvalue().splitlines()
    assert first == "\x1b[36ma |\x1b[0m one"
    assert second.startswith("\x1b[33mb |")
    assert third.startswith("\x1b[36ma |")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_who_gets_colour(environ: dict[str, str], expected: bool) -> None:
    """A terminal gets colour, but not with NO_COLOR or TERM=dumb; a pipe never does."""
    assert Style.of(Tty(), environ).colour is expected
    assert not Style.of(io.StringIO(), environ).colour
