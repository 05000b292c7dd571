"""Completion of a command's name, and of its first argument, without click.

Importing click takes 40 ms of a key press, and most key presses complete one of the two.
"""

from __future__ import annotations

from ftl.cli.overview import COMMANDS

TYPE_CHECKING = False  # as in `entry`
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def complete_first_words(environ: Mapping[str, str]) -> str | None:
    """Complete one of the first two words for a shell, as click (8.5) does.

    Returns:
        Lines for the function that `ftl completion install` wrote; None for any other word, which click completes.
    """
    shell = environ.get("_FTL_COMPLETE", "").removesuffix("_complete")
    if shell not in _FORMS:
        return None
    line = environ.get("COMP_WORDS", "")
    _, *words = line.split() or [""]
    position = environ.get("COMP_CWORD", "")
    if shell == "fish":  # it says the word itself, which is empty after a space
        words = words if position else [*words, ""]
        begun, number = position, len(words)
    elif position in ("1", "2"):
        number = int(position)
        words = [*words, ""][:number] if len(words) < number else words
        begun = words[number - 1] if len(words) == number else "-"
    else:
        return None
    if len(words) != number or words[-1] != begun or not all(map(_is_plain, words)):
        return None
    if number == 1:
        commands = {name: text for section in COMMANDS.values() for name, text in section.items()}
        return _answer(shell, ((name, text) for name, text in commands.items() if name.startswith(begun)))
    return _complete_first_argument(shell, words[0], begun) if number == 2 else None


def _complete_first_argument(shell: str, command: str, begun: str) -> str | None:
    from ftl.cli.completion.names import FIRST_ARGUMENTS, ProjectNames

    find = FIRST_ARGUMENTS.get(command)
    if find is None:
        return None
    from ftl.cli.project_file import find_file

    try:
        values = dict.fromkeys(find(ProjectNames(find_file(None))))
    except Exception:  # noqa: BLE001 -- there is no place for a message below a key press
        values = {}
    return _answer(shell, ((value, "") for value in values if value.startswith(begun)))


def _answer(shell: str, items: Iterable[tuple[str, str]]) -> str:
    with_help, without = _FORMS[shell]
    return "\n".join((with_help if text else without).format(name, text) for name, text in items) + "\n"


def _is_plain(word: str) -> bool:
    """Whether a word is neither an option nor quoted."""
    return word[:1] != "-" and all(letter.isalnum() or letter in "-_." for letter in word)


_FORMS = {
    "bash": ("plain,{0}", "plain,{0}"),
    "zsh": ("plain\n{0}\n{1}", "plain\n{0}\n_"),
    "fish": ("plain,{0}\t{1}", "plain,{0}"),
}
"""Shell -> the forms of a completion with a help text, and without one."""
