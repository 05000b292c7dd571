"""The transcript and the live part on a terminal."""

from __future__ import annotations

import asyncio
import io
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from ftl.events import BuildStarted, BuildStep, Event, StepStarted, TransferProgress, TransferStarted
from ftl.ui.reporters.board import Board
from ftl.ui.reporters.terminal import REFRESH, Terminal
from ftl.ui.reporters.transcript import Transcript
from tests.unit.ui.samples import EVERY


def terminal(stream: io.TextIOBase, width: int = 80, verbose: int = 0) -> Terminal:
    """A reporter on a terminal of this width."""
    console = Console(file=stream, force_terminal=True, width=width, height=24, highlight=False)  # type: ignore[arg-type]
    return Terminal(console, Transcript(verbose=verbose), Board())


def screen(text: str) -> list[str]:
    """Screen of a terminal after this output; implements the sequences that rich writes."""
    lines, row, column = [""], 0, 0
    import re

    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            column = 0
        elif token.endswith("A") and token.startswith("\x1b["):
            row = max(row - int(token[2:-1] or 1), 0)
        elif token == "\x1b[2K":
            lines[row] = ""
        elif not token.startswith("\x1b["):
            before = lines[row].ljust(column)
            lines[row] = before[:column] + token + before[column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines]


def shown(*events: Event, width: int = 80, verbose: int = 0) -> tuple[list[str], str]:
    """The screen after these events and the close, and all output."""
    stream = io.StringIO()
    reporter = terminal(stream, width, verbose)
    for event in events:
        reporter.emit(event)
    reporter.close()
    return [line for line in screen(stream.getvalue()) if line], stream.getvalue()


def test_only_the_transcript_stays() -> None:
    """After a deploy the terminal shows the transcript, and nothing of the live part."""
    lines, _ = shown(*EVERY)
    assert lines == [
        "warning: the context is large",
        "hint: write a .dockerignore",
        "✓ web: built shop-web in 12 s, context 4.2 MB",
        "• web: first step not in the cache: [2/3] RUN pip install flask (4.2 s): app.py",
        "  changed",
        "✓ shop-web:r5: 2 of 9 layers sent: 14.0 MB in 3.5 s (4.0 MB/s), 7 already on the",
        "  server, 4.1 s in total",
        "• shop.example.com runs Debian GNU/Linux 12 (bookworm): 1 change",
        "• r5 on shop.example.com: 2 steps",
        "✓ web: healthy after 1.2 s",
        "✓ api, web: new requests go to r5",
        "✗ api: failed: start shop-api-r5",
        "✗ web: interrupted: wait until web is healthy",
        "↩ web: undone: start shop-web-r5",
    ]


def test_the_cursor_comes_back_when_work_is_cut_off() -> None:
    """Closing during the work (Ctrl-C) removes the live part and shows the cursor again."""
    lines, written = shown(BuildStarted("web", "shop-web"), BuildStep("web", "RUN make", "running"))
    assert lines == []
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_nothing_is_written_after_the_close() -> None:
    """An event after the close is not drawn."""
    stream = io.StringIO()
    reporter = terminal(stream)
    reporter.emit(BuildStarted("web", "shop-web"))
    reporter.close()
    reporter.close()
    before = stream.getvalue()
    reporter.emit(StepStarted("start", "start x", "web"))
    assert stream.getvalue() == before


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("rows", [1, 40])
def test_the_live_part_fits(width: int, rows: int) -> None:
    """At any width and number of rows, no row wraps and none is below the bottom."""
    stream = io.StringIO()
    reporter = terminal(stream, width)
    for number in range(rows):
        name = f"a-rather-long-service-name-{number}"
        reporter.emit(BuildStarted(name, "image"))
        reporter.emit(BuildStep(name, "RUN " + "x" * 300, "running"))
    reporter.emit(TransferStarted("registry.example.com/team/shop-web:r5", 9, 7, 45_100_000))
    reporter.emit(
        TransferProgress("registry.example.com/team/shop-web:r5", 20_000_000, 45_100_000, 7_000_000)
    )
    console = Console(file=io.StringIO(), width=width, height=24, color_system=None)
    live = reporter.live_part()
    reporter.close()
    with console.capture() as capture:
        console.print(live)
    lines = capture.get().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (50, "20.0/45.1 MB  4.0 MB/s  6.3 s left"),
        (80, "━━━━       20.0/45.1 MB  4.0 MB/s  6.3 s left  layer 2/3"),
        (
            120,
            "━━━━━━━━━━╸              20.0/45.1 MB  4.0 MB/s  6.3 s left  layer 2/3  7.0 MB sent as a delta",
        ),
    ],
)
def test_a_transfer_shows_as_much_as_there_is_room_for(width: int, expected: str) -> None:
    """A transfer shows a bar where there is room, and only whole figures."""
    reporter = terminal(io.StringIO(), width)
    reporter.emit(TransferStarted("shop-web:r5", 9, 6, 45_100_000))
    reporter.emit(
        TransferProgress(
            "shop-web:r5", 20_000_000, 45_100_000, 7_000_000, 1, 3, "sha256:ab", "delta", 4e6, 6.3
        )
    )
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(reporter.live_part())
    reporter.close()
    assert capture.get()[2:].rstrip() == f"shop-web:r5 {expected}"


def test_several_images_have_a_total_below_them() -> None:
    """The total's time left is that of all bytes at the speed of the current image."""
    reporter = terminal(io.StringIO(), 60)
    reporter.emit(StepStarted("send_images", "send i, j"))
    reporter.emit(TransferStarted("i", 2, 0, 40_000_000))
    reporter.emit(TransferStarted("j", 2, 1, 10_000_000))
    reporter.emit(
        TransferProgress("i", 20_000_000, 40_000_000, 7_000_000, 1, 2, "sha256:ab", "whole", 5e6, 4.0)
    )
    reporter.emit(StepStarted("start", "start x", "web"))
    console = Console(file=io.StringIO(), width=60, color_system=None)
    with console.capture() as capture:
        console.print(reporter.live_part())
    reporter.close()
    assert [line[2:].rstrip() for line in capture.get().splitlines()] == [
        "      send i, j",
        "i     20.0/40.0 MB  5.0 MB/s  4.0 s left  layer 2/2",
        "j      0.0/10.0 MB  layer 1/1",
        "total 20.0/50.0 MB  5.0 MB/s  6.0 s left  layer 2/3",
        "web   start x",
    ]


def test_what_is_put_together_there_has_no_bar() -> None:
    """An image of which no layer is sent has no bar."""
    reporter = terminal(io.StringIO())
    reporter.emit(TransferStarted("i", 9, 9, 0, layers_kept=2))
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as capture:
        console.print(reporter.live_part())
    reporter.close()
    assert capture.get()[2:].rstrip() == "i unpacking on the server"


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (
            TransferProgress("i", 44_000_000, 44_000_000, 7_000_000, 2, 2, None, None, 4e6, 0.0),
            "unpacking on the server",
        ),
        (TransferProgress("i", 44_000_000, 44_000_000, 7_000_000, 1, 2, "a", "whole", 4e6, 0.0), "layer 2/2"),
    ],
)
def test_there_is_no_time_left_to_tell_once_all_is_read(progress: TransferProgress, expected: str) -> None:
    """Once all bytes are read there is no time left to show: the rest is not measurable."""
    reporter = terminal(io.StringIO())
    reporter.emit(TransferStarted("i", 9, 7, 45_100_000))
    reporter.emit(progress)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as capture:
        console.print(reporter.live_part())
    reporter.close()
    assert f"44.0/44.0 MB  {expected}" in capture.get()


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Marks have an ASCII form for terminals without Unicode."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    reporter = terminal(stream)
    for event in EVERY:
        reporter.emit(event)
    reporter.close()
    stream.flush()
    assert b"+ web: healthy after 1.2 s" in raw.getvalue().replace(b"\x1b[1m", b"").replace(
        b"\x1b[0m", b""
    ).replace(b"\x1b[32m", b"")


class Recorder(io.StringIO):
    """A stream that remembers which threads wrote to it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def write(self, text: str) -> int:
        self.threads.add(threading.get_ident())
        return super().write(text)


def test_all_is_drawn_by_the_event_loop() -> None:
    """The live part is redrawn between events, and only by the thread of the event loop."""
    stream = Recorder()
    reporter = terminal(stream)

    async def work() -> str:
        reporter.emit(BuildStarted("web", "shop-web"))
        before = len(stream.getvalue())
        await asyncio.sleep(3.5 / REFRESH)
        return stream.getvalue()[before:]

    redrawn = asyncio.run(work())
    reporter.close()
    assert redrawn.count("building") >= 2
    assert stream.threads == {threading.get_ident()}


@pytest.mark.parametrize("width", [80, 200])
def test_no_row_of_the_live_part_stays_in_the_scrollback(width: int) -> None:
    """Twelve deploys of two services, redrawn between their events: the screen has the transcript alone."""
    deploy = [each for event in EVERY for each in (event, _other_service(event))]
    expected, _ = shown(*deploy * 12, width=width)
    stream = io.StringIO()
    reporter = terminal(stream, width)

    async def work() -> None:
        for number, event in enumerate(deploy * 12):
            reporter.emit(event)
            if number % 25 == 0:
                await asyncio.sleep(1.2 / REFRESH)

    asyncio.run(work())
    reporter.close()
    assert [line for line in screen(stream.getvalue()) if line] == expected


def _other_service(event: Event) -> Event:
    """The same of a second service."""
    return replace(event, service="api") if hasattr(event, "service") else event  # type: ignore[call-arg]


def test_nothing_is_redrawn_after_the_close() -> None:
    """Nothing is drawn after the close."""
    stream = io.StringIO()
    reporter = terminal(stream)

    async def work() -> str:
        reporter.emit(BuildStarted("web", "shop-web"))
        reporter.close()
        before = len(stream.getvalue())
        await asyncio.sleep(2 / REFRESH)
        return stream.getvalue()[before:]

    assert asyncio.run(work()) == ""
