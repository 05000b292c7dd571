"""Target of a call (environment, server, file, project) for the commands it prints."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ftl.cli.overview import OPTIONS, names
from ftl.common.next_step import complete_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from ftl.cli.options import Options

_PREVIEW = "preview/"
_NO_TARGET = frozenset({"completion", "init", "sandbox", "upgrade", "version"})
"""Commands without a project's server."""

_FLAGS = {"-e": ("-e", "--env"), "--server": ("--server",), "--file": ("--file",)}  # `ftl logs -f` follows

_server = ""
"""The server of the call as `--server` takes it, once it is known."""

_one_of_several = False
"""Whether `--server` named one of a project's `servers`."""


def complete_for(options: Options, called: str = "") -> None:
    """Complete commands in sentences with the target of these options from now on.

    `called` is the command of the call.
    """
    complete_by(lambda words: with_target(words, options), called)


def server_found(server: str, *, one_of_several: bool) -> None:
    """Remember the server of the call, as `--server` takes it.

    With `one_of_several`, `--server` named one of a project's `servers`.
    """
    global _server, _one_of_several
    _server, _one_of_several = server, one_of_several


def reset() -> None:
    """Return to the state before any call."""
    server_found("", one_of_several=False)
    complete_by(None)


def with_target(words: str, options: Options) -> str:
    """Add `-e`, `--server`, `--file` and `--project` of the call to a command, without `ftl`.

    What the command names itself, or does not take, is left out. `ftl deploy` is not for a preview, which has a command
    of its own.
    """
    env, server, file, project = options.env, options.server, options.file, options.project
    parts = words.split(" ")
    if parts[0] not in names() or parts[0] in _NO_TARGET:
        return words
    if project is not None:
        parts = _with_project(parts, project)
    if project is not None or _has(parts, ("--project",)):  # in place of a file and its environments
        env, file, server = None, None, server or _server or None
    if env is not None and env.startswith(_PREVIEW) and parts[0] == "deploy":
        parts = _preview_up(parts, env.removeprefix(_PREVIEW))
    if parts[0] == "preview":
        env = None
    if parts[0] == "setup" and _one_of_several:  # it prepares all of them
        server = None
    given = [
        f"{option} {_quoted(value)} "
        for option, value in (("-e", env), ("--server", server), ("--file", file))
        if value is not None and not _has(parts, _FLAGS[option])
    ]
    return "".join(given) + " ".join(parts)


def _with_project(parts: list[str], project: str) -> list[str]:
    """The words with `--project` behind the name of the command that takes it: `jobs --project shop run`."""
    if _has(parts, ("--project",)):
        return parts
    takes = [depth for depth, command in enumerate(_commands(parts), 1) if "--project" in _options(command)]
    return [*parts[: takes[-1]], "--project", _quoted(project), *parts[takes[-1] :]] if takes else parts


def _preview_up(parts: list[str], name: str) -> list[str]:
    """The words for a preview, or the same where `preview up` lacks one of the options.

    `ftl deploy` refuses a preview, and says what to do.
    """
    up = ["preview", "up"]
    takes_value = _options(_commands(up)[-1])
    if not all(word in takes_value for word in parts if word.startswith("-")):
        return parts
    kept: list[str] = []
    for before, word in pairwise(parts):
        if word.startswith("-") or takes_value.get(before):
            kept.append(word)
    return [*up, _quoted(name), *kept]  # without names of services: a preview is deployed as a whole


def _commands(parts: Sequence[str]) -> list[click.Command]:
    """The command that words call, behind the group that it is in, if it is in one."""
    from importlib import import_module

    found: list[click.Command] = [import_module(f"ftl.cli.commands.{parts[0]}").command]
    for word in parts[1:]:
        inner = getattr(found[-1], "commands", {}).get(word)
        if inner is None:
            break
        found.append(inner)
    return found


def _options(command: click.Command) -> dict[str, bool]:
    """The options of a command, the global ones too, and whether they take a value."""
    found = {flag: bool(metavar) for flags, metavar, _ in OPTIONS.values() for flag in flags}
    for parameter in command.params:
        takes_value = not (getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))
        found.update(dict.fromkeys((*parameter.opts, *parameter.secondary_opts), takes_value))
    return found


def _has(parts: Sequence[str], flags: Sequence[str]) -> bool:
    own = parts[: parts.index("--")] if "--" in parts else parts
    return any(word.partition("=")[0] in flags for word in own)


def _quoted(value: str) -> str:
    from shlex import quote

    return quote(value)
