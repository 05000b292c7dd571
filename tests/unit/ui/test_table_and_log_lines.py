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
    """Cells begin below their header, and no line ends in spaces."""
    assert table(HEADER, ROWS) == [
        "SERVICE      IMAGE",
        "web          registry.example.com/team/shop-web:r5",
        "a-long-name  x",
    ]


@pytest.mark.parametrize("width", [20, 30, 40])
def test_the_widest_column_gives_way(width: int) -> None:
    """In a narrow terminal the longest column goes on below itself: lines fit, and nothing is lost."""
    lines = table(HEADER, ROWS, width=width)
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("web ")
    column = lines[0].index("IMAGE")
    assert "".join(line[column:].strip() for line in lines[1:]) == ROWS[0][1] + "x"


def test_a_cell_breaks_where_it_has_parts() -> None:
    """Ports and the parts of an image's name stay whole as long as there is room for one."""
    lines = table(("IMAGE", "PORTS"), [("team/shop:r5", "80->8000, 443->8443")], width=22)
    assert lines == ["IMAGE       PORTS", "team/shop:  80->8000,", "r5          443->8443"]


def test_an_empty_table_is_its_header() -> None:
    """Without rows the header is as wide as its words."""
    assert table(HEADER, []) == ["SERVICE  IMAGE"]


def test_log_lines_are_prefixed_and_raw_in_a_pipe() -> None:
    """In a pipe a line is exactly what was logged, after its container's name."""
    stream = io.StringIO()
    lines = LogLines(stream, timestamps=False, prefix=True, flush=False)
    lines.write("web-r5", "t", "\x1b[31mred\x1b[0m\rx")
    lines.write("db", "t", "two")
    assert stream.getvalue() == "web-r5 | \x1b[31mred\x1b[0m\rx\ndb     | two\n"


def test_log_lines_without_prefix_and_with_time() -> None:
    """The name can be left out, and the time put in."""
    stream = io.StringIO()
    lines = LogLines(stream, timestamps=True, prefix=False, flush=True)
    lines.write("web-r5", "2026-01-01T00:00:00.5Z", "one")
    assert stream.getvalue() == "2026-01-01T00:00:00.5Z one\n"


def test_each_container_has_its_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal names are told apart by colour, and a line may not move the cursor."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Tty()
    lines = LogLines(stream, timestamps=False, prefix=True, flush=False)
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
    """A terminal gets colour unless NO_COLOR is set or it cannot show any; a pipe never does."""
    assert Style.of(Tty(), environ).colour is expected
    assert not Style.of(io.StringIO(), environ).colour
