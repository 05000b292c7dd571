"""Ask for a line on the terminal; Ctrl-C ends it at once and the terminal is restored.

`input` and `getpass` would need a thread, which nothing ends but the Enter key.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios

from ftl.errors import Interrupted, UsageError
from ftl.ui.style import Style


async def ask(question: str, *, secret: bool = False) -> str | None:
    """Ask for a line, without echo if it is secret. The question has no colon.

    None where there is no terminal, or its input ended.
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
        _write(Style().line(f"{question}: "))
        await typed.wait()
        line = os.read(terminal, 4096)  # in canonical mode a terminal returns whole lines
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        if secret:
            _write("\n")
    return line.decode(errors="replace").rstrip("\r\n") if line else None


async def confirm(what: str, *, word: str = "", refused: str) -> None:
    """Ask whether to continue, by typing a word or, without one, `y`.

    `what` is the effect, as a sentence without a full stop. A word is for what cannot be undone.

    Raises:
        UsageError: There is no terminal to ask on.
        Interrupted: The answer is another one; `refused` is its message.
    """
    answer = await ask(f"{what}. Type {word} to continue" if word else f"{what}. Continue? [y/N]")
    if answer is None:
        raise UsageError(
            "cannot ask for confirmation: there is no terminal", hint="`--yes` skips the question"
        )
    answer = answer.strip()
    if answer != word if word else answer.lower() not in ("y", "yes"):
        raise Interrupted(refused)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
