"""Commands that FTL names as next steps: each has a sentinel, and is completed when printed.

`ftl deploy` in a hint of `ftl -e staging plan` would change another environment, so what a sentence names gets the
target of the call. Only what `ftl` or `bare_ftl` wrote is touched: a log or a hook may print the same words, and they
stay as they are. `ftl.common.redact.redacted`, through which all texts leave, takes the sentinels away.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Noncharacters are for use inside a program (Unicode 23.7), and nobody can guess which ones these are.
_SENTINEL = "".join(chr(0xFDD0 + byte % 32) for byte in os.urandom(12))
_COMMANDS = re.compile(rf"{_SENTINEL}(`?)ftl ([^`\ufdd0-\ufdef]*)")

_complete: Callable[[str], str] | None = None

_called = ""
"""The command of the call."""


def ftl(words: str) -> str:
    """A command for the user in backticks: `ftl("logs web")`."""
    return f"{_SENTINEL}`ftl {words}`"


def ftl_again(options: str) -> str:
    """The command of the call with other options, in backticks; `ftl deploy` outside of a call.

    That is `ftl_again("--server sandbox")`.
    """
    return ftl(f"{_called or 'deploy'} {options}")


def bare_ftl(words: str) -> str:
    """A command without backticks, for a line that begins with something else.

    That is a pipe: f"`pass show X | {bare_ftl('secrets set X')}`".
    """
    return f"{_SENTINEL}ftl {words}"


def complete_by(complete: Callable[[str], str] | None, called: str = "") -> None:
    """Complete the words of commands by this function from now on; None: leave them as they are.

    `called` is the command of the call, without `ftl`.
    """
    global _complete, _called
    _complete, _called = complete, called


def completed(text: str) -> str:
    """Complete the commands of a text, and remove their sentinels."""
    if _SENTINEL not in text:
        return text
    return _COMMANDS.sub(lambda found: f"{found[1]}ftl {_completed_words(found[2])}", text)


def plain(text: str) -> str:
    """Remove the sentinels alone, from a text that is stored and read later, elsewhere."""
    return text.replace(_SENTINEL, "")


def _completed_words(words: str) -> str:
    return words if _complete is None else _complete(words)
