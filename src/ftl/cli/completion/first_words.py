"""Complete global options, a command's name and its arguments, without click.

Importing click takes 40 ms of a key press, and most key presses complete one of these.
"""

from __future__ import annotations

from ftl.cli.overview import COMMANDS, OPTIONS, ROOT_FLAGS

TYPE_CHECKING = False  # as in `entry`
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.cli.completion.names import Finder


def complete_first_words(environ: Mapping[str, str]) -> str | None:
    """Complete one of the first words for a shell, as click (8.5) does.

    Returns:
        Lines for the function that `ftl completion install` wrote; None for any other word, which click completes.
    """
    shell = environ.get("_FTL_COMPLETE", "").removesuffix("_complete")
    words = _words(environ, shell)
    if shell not in _FORMS or not words or not all(map(_is_plain, words)):
        return None
    *before, begun = words
    given: dict[str, str] = {}
    while before and _is_option(before[0]):
        name = _OPTION_NAMES.get(before.pop(0))
        if name is None:
            return None
        if not OPTIONS[name][1]:  # it takes no value
            given[name] = ""
        elif before:
            given[name] = before.pop(0)
        else:
            return _complete_value(shell, name, begun, given)
    if any(map(_is_option, (*before, *given.values()))):
        return None
    if not before:
        found = _complete_option(begun, given) if _is_option(begun) else _complete_command(begun)
        return _answer(shell, found)
    command, *taken = before
    return _complete_argument(shell, command, taken, begun, given)


def _words(environ: Mapping[str, str], shell: str) -> list[str]:
    """Words behind `ftl`, up to that which is completed; none where the shell says something else."""
    _, *words = environ.get("COMP_WORDS", "").split() or [""]
    position = environ.get("COMP_CWORD", "")
    if shell == "fish":  # it says the word itself, which is empty after a space
        if not position:
            return [*words, ""]
        return words if words and words[-1] == position else []
    number = int(position) if position.isdecimal() else 0
    return words if len(words) == number else [*words, ""] if len(words) == number - 1 else []


def _complete_option(begun: str, given: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    options = {**ROOT_FLAGS, **{name: (flags, text) for name, (flags, _, text) in OPTIONS.items()}}
    for name, (flags, text) in options.items():
        yield from ((flag, text) for flag in flags if name not in given and flag.startswith(begun))


def _complete_command(begun: str) -> Iterable[tuple[str, str]]:
    commands = {name: text for section in COMMANDS.values() for name, text in section.items()}
    return ((name, text) for name, text in commands.items() if name.startswith(begun))


def _complete_value(shell: str, name: str, begun: str, given: Mapping[str, str]) -> str | None:
    if _is_option(begun):
        return None
    from ftl.cli.completion.names import GLOBAL_OPTIONS

    find = GLOBAL_OPTIONS.get(name)
    return f"{_FILES[shell].format(begun)}\n" if find is None else _names(shell, find, begun, given)


def _complete_argument(
    shell: str, command: str, taken: Sequence[str], begun: str, given: Mapping[str, str]
) -> str | None:
    from ftl.cli.completion.names import ARGUMENTS, SEVERAL

    find = ARGUMENTS.get(command)
    if find is None or _is_option(begun) or (taken and command not in SEVERAL):
        return None
    return _names(shell, find, begun, given, taken)


def _names(
    shell: str,
    find: Finder,
    begun: str,
    given: Mapping[str, str],
    taken: Sequence[str] = (),
) -> str:
    from ftl.cli.completion.names import ProjectNames
    from ftl.cli.project_file import find_file

    try:
        values = dict.fromkeys(find(ProjectNames(find_file(given.get("file")))))
    except Exception:  # noqa: BLE001 -- there is no place for a message below a key press
        values = {}
    return _answer(shell, ((value, "") for value in values if value.startswith(begun) and value not in taken))


def _answer(shell: str, items: Iterable[tuple[str, str]]) -> str:
    with_help, without = _FORMS[shell]
    return "\n".join((with_help if text else without).format(name, text) for name, text in items) + "\n"


def _is_option(word: str) -> bool:
    return word[:1] == "-"


def _is_plain(word: str) -> bool:
    """Whether a word is what it looks like: not quoted, and no option with its value (`--env=x`)."""
    return all(letter.isalnum() or letter in "-_./:@" for letter in word)


_OPTION_NAMES = {flag: name for name, (flags, _, _) in OPTIONS.items() for flag in flags}

_FORMS = {
    "bash": ("plain,{0}", "plain,{0}"),
    "zsh": ("plain\n{0}\n{1}", "plain\n{0}\n_"),
    "fish": ("plain,{0}\t{1}", "plain,{0}"),
}
"""Shell -> the forms of a completion with a help text, and without one."""

_FILES = {"bash": "file,{0}", "zsh": "file\n{0}\n_", "fish": "file,{0}"}
"""Shell -> the form of a file's name, which the shell completes itself."""
