"""Completion of a command's name without click, which costs a key press 40 of 60 ms."""

from __future__ import annotations

from ftl.cli.overview import COMMANDS

TYPE_CHECKING = False  # as in `entry`
if TYPE_CHECKING:
    from collections.abc import Mapping


def complete_first_word(environ: Mapping[str, str]) -> str | None:
    """Answer a shell's request for completions of the first word, as click (8.5) does.

    Returns:
        Lines for the function that `ftl completion install` wrote; None for any other word, which click completes.
    """
    shell = environ.get("_FTL_COMPLETE", "").removesuffix("_complete")
    _, *words = environ.get("COMP_WORDS", "").split() or [""]
    position = environ.get("COMP_CWORD", "")
    begun = words[0] if words else ""
    is_first = len(words) <= 1 and position == (begun if shell == "fish" else "1")
    is_plain = begun == "" or begun.isalnum()  # no option, nothing quoted
    if shell not in _FORMS or not is_first or not is_plain:
        return None
    commands = {name: text for section in COMMANDS.values() for name, text in section.items()}
    lines = [_FORMS[shell].format(name, text) for name, text in commands.items() if name.startswith(begun)]
    return "\n".join(lines) + "\n"


_FORMS = {"bash": "plain,{0}", "zsh": "plain\n{0}\n{1}", "fish": "plain,{0}\t{1}"}
