"""Kamal's aliases, as the commands of FTL that do the same."""

from __future__ import annotations

import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING

from ftl.onboarding.names import service_name
from ftl.onboarding.takeover.nodes import entries, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_SAME = {
    "deploy": "deploy", "redeploy": "deploy", "setup": "setup", "rollback": "rollback", "details": "status",
    "audit": "audit", "config": "config", "app details": "status", "app containers": "status",
    "app version": "releases", "app maintenance": "maintenance on", "app live": "maintenance off", "app stop": "stop",
    "app start": "start", "secrets print": "secrets list", "prune all": "prune", "accessory details": "status",
}  # fmt: skip
"""Command of Kamal -> that of FTL, which needs no service."""

_WITH_VALUE = frozenset({
    "-r", "--roles", "-h", "--hosts", "-d", "--destination", "-c", "--config_file", "--config-file", "-e", "--env",
    "-n", "--lines", "-s", "--since", "-g", "--grep", "--version", "-o", "--grep_options", "--grep-options",
})  # fmt: skip
_LONG = {
    "-r": "--roles", "-d": "--destination", "-f": "--follow", "-n": "--lines", "-s": "--since", "-g": "--grep",
}  # fmt: skip
_OF_LOGS = {"--follow": "-f", "--lines": "-n", "--since": "--since", "--grep": "--grep"}
"""Options of Kamal's logs -> those of FTL's."""

_AND = "` and `"
"""Between the commands for an alias that is about several roles."""

_TOLD = "FTL has no aliases: its commands are in `ftl --help`"


def report_aliases(kamal: KamalConversion, node: Node) -> None:
    """Write into the report what to type in place of each alias."""
    for name, value in entries(node).items():
        command = translated(text(value), kamal.primary, kamal.cron_roles)
        what = f"`{command}`" if command else _TOLD
        kamal.add(f"aliases.{name}", Verdict.CHANGED if command else Verdict.LEFT_OUT, what, value)


def translated(
    alias: str, primary: str, cron_roles: Mapping[str, tuple[str, Sequence[str]]] = MappingProxyType({})
) -> str:
    """The command of FTL for a command line of Kamal, or several; empty if there is none.

    Args:
        alias: The words after `kamal`.
        primary: The role that Kamal means without `--roles`.
        cron_roles: Roles that are no services: the service of each one's jobs, and their names.
    """
    try:
        words, options = _split(shlex.split(alias))
    except ValueError:
        return ""
    start = f"ftl -e {options['--destination']}" if "--destination" in options else "ftl"
    roles = [role for role in (options.get("--roles") or primary).split(",") if role]
    if any("*" in role for role in roles):
        return ""
    named = [cron_roles.get(role, (service_name(role), ())) for role in roles]
    services = [*dict.fromkeys(service for service, _ in named)]
    own = " ".join(dict.fromkeys(service for service, jobs in named if not jobs))
    jobs = " ".join(f"--job {job}" for _, jobs in named for job in jobs)
    chosen = [(ours, options[theirs]) for theirs, ours in _OF_LOGS.items() if theirs in options]
    logs = " ".join((start, "logs", *(shlex.join(filter(None, pair)) for pair in chosen), ""))
    match words:
        case ["app", "logs"]:
            return _AND.join(f"{logs}{of}" for of in (own, jobs) if of)
        case ["app", "exec", *command] if command:
            verb = "exec" if "--reuse" in options else "run"
            return _AND.join(f"{start} {verb} {service} -- {_line(command)}" for service in services)
        case ["accessory", "exec", name, *command] if command:
            return f"{start} exec {service_name(name)} -- {_line(command)}"
        case ["accessory", "logs", name]:
            return f"{logs}{service_name(name)}"
        case ["app", "boot"]:
            return f"{start} restart {own}" if own else ""  # each run of a job has a container of its own
        case ["accessory", "reboot" | "restart", name]:
            # A dependency has one container: there is nothing that could take over while it restarts
            return f"{start} stop {service_name(name)}{_AND}{start} start {service_name(name)}"
    known = _SAME.get(" ".join(words))
    return f"{start} {known}" if known else ""


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words and options; those of a command in quotes stay in it."""
    found: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            found.append(word)
            continue
        name, equals, value = word.partition("=")
        options[_LONG.get(name, name)] = value if equals else next(rest, "") if name in _WITH_VALUE else ""
    return found, options


def _line(command: Sequence[str]) -> str:
    """A command as the user types it: one text is a line for a shell already."""
    return command[0] if len(command) == 1 else shlex.join(command)
