"""`make picture`: the terminal after a real `ftl deploy`, drawn as docs/deploy.svg.

Needs the server of `make demo`: it deploys one more version of the shop there, in a separate pseudo-terminal.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from itertools import groupby
from typing import TYPE_CHECKING

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text
from tools.calls import FTL, ROOT, DemoError
from tools.demo import COPY, ENV, copy_shop, set_version

if TYPE_CHECKING:
    from collections.abc import Mapping

PICTURE = ROOT / "docs" / "deploy.svg"
COMMAND = ("ftl", "deploy", "--server", "sandbox")
COLUMNS, LINES = 100, 200

# Rich's own template without its web fonts: the picture is whole by itself.
_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)


def main() -> None:
    """Deploy, and draw the terminal's last screen."""
    copy_shop()
    set_version(f"1.2.{time.time_ns()}")  # none that the server has seen
    shown = screen(run_on_terminal([str(FTL), *COMMAND[1:]]))
    PICTURE.write_text(drawn(shown))


def run_on_terminal(argv: list[str]) -> bytes:
    """Run a command on a pseudo-terminal; all that it writes there.

    Raises:
        DemoError: It failed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    env: Mapping[str, str] = {**ENV, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with subprocess.Popen(argv, cwd=COPY, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    if process.returncode != 0:
        raise DemoError(f"`{' '.join(argv)}` exited with {process.returncode}:\n{written.decode()}")
    return written


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: EIO once the last process that had it open is gone
        return b""


def screen(written: bytes) -> Text:
    """The screen of a terminal after these bytes were written to it."""
    terminal = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(terminal).feed(written)
    lines = [_line(terminal.buffer[row]) for row in range(LINES)]
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def _line(cells: Mapping[int, pyte.screens.Char]) -> Text:
    line = Text()
    for style, run in groupby((cells[column] for column in range(COLUMNS)), _style):
        line.append("".join(cell.data for cell in run), style)
    line.rstrip()
    return line


def _style(cell: pyte.screens.Char) -> Style:
    colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow")
    return Style(color=colour, bold=cell.bold or None)


def drawn(shown: Text) -> str:
    """The text as the picture of a terminal in which the command was typed."""
    width = max(len(line) for line in shown.plain.splitlines())
    console = Console(width=max(width, 60), record=True, file=io.StringIO())
    console.print(Text.assemble(("$ ", "green"), (" ".join(COMMAND), "bold")))
    console.print(shown)
    svg = console.export_svg(title="ftl deploy", unique_id="ftl")
    return _FONTS.sub("\n", svg).replace("font-family: Fira Code, monospace", "font-family: monospace")


if __name__ == "__main__":
    try:
        main()
    except DemoError as error:
        sys.exit(f"picture: {error}")
