"""Asking on the terminal, in a way that Ctrl-C ends at once and that leaves the terminal as it was.

`input` and `getpass` would need a thread, which nothing ends but the Enter key.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios

from ftl.ui.style import Style


async def ask(words: str, *, secret: bool = False) -> str | None:
    """Ask for a line.

    Args:
        words: What to ask; a colon follows them.
        secret: What is typed is not shown.

    Returns:
        What was typed; None where there is no terminal, or its input ended.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    during = [*before]
    if secret:
        during[3] &= ~termios.ECHO  # the local modes, see termios(3)
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(terminal, typed.set)
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, during)
        _write(Style().line(f"{words}: "))
        await typed.wait()
        line = os.read(terminal, 4096)  # a terminal hands out whole lines (its canonical mode)
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        if secret:
            _write("\n")
    return line.decode(errors="replace").rstrip("\r\n") if line else None


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
