"""Kamal's hooks, which run on this machine: local hooks of the service that gets requests."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.takeover.kamal.beside import KamalFiles
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_TAKEN = {"pre-deploy": "pre", "post-deploy": "post"}

_LEFT_OUT = {
    "pre-connect": "FTL connects as ssh does: what must come before belongs into ~/.ssh/config, as `ProxyCommand`",
    "pre-build": "FTL builds this folder, and needs no pushed commit; `protected: true` refuses what is not committed",
    **dict.fromkeys(("pre-proxy-reboot", "post-proxy-reboot"), "FTL replaces its proxy without a gap"),
}
_NEEDS_YOU = {
    "docker-setup": "`ftl setup` installs Docker: run by hand on the server what the hook does beyond that",
}
_OTHER = "FTL has no such hook: write what it does as `hooks: {pre: {local: ...}}` or `post` of a service"

_VARIABLES = {
    "KAMAL_COMMAND": "deploy", "KAMAL_DESTINATION": '"$FTL_ENV"', "KAMAL_HOSTS": '"$FTL_SERVER"',
    "KAMAL_PERFORMER": '"$(git config user.email || whoami)"', "KAMAL_RECORDED_AT": '"$(date -u +%Y-%m-%dT%H:%M:%SZ)"',
    "KAMAL_ROLES": '"$FTL_SERVICE"', "KAMAL_SERVICE": '"$FTL_PROJECT"', "KAMAL_VERSION": '"$FTL_COMMIT"',
    "KAMAL_SERVICE_VERSION": '"$FTL_PROJECT@$FTL_COMMIT"', "KAMAL_SUBCOMMAND": "''",
}  # fmt: skip
"""Variables of Kamal's hooks, by those of FTL's local ones."""

_UNKNOWN = {
    "KAMAL_RUNTIME": "FTL's hooks have no such value, so it is empty: `ftl releases` has how long each deploy took"
}
_UNKNOWN_VARIABLE = "FTL's hooks have no such value: it is empty there"

_KAMAL = re.compile(r"(?<![\w.$-])kamal(?=[\s\"']\S|[\"',]|$)")
"""Kamal as a command, in a shell and in Ruby: `bin/kamal app`, `system("kamal", "app")`, `%x(kamal app)`."""

_PRINTED = re.compile(r"\s*(?:echo|printf|puts)\b[^$`;&|#]*")
"""A line that only prints a text."""

_EXEC = re.compile(
    r"\s*(?:exec\s+)?(?:bundle\s+exec\s+)?(?:[\w./-]*/)?kamal\s+app\s+exec\s+([^`;&|<>()]+?)(?:\s*\|\|\s*exit.*)?"
)
_WITH_VALUE = frozenset({
    "-d", "--destination", "-c", "--config-file", "-h", "--hosts", "-r", "--roles", "-e", "--env", "--version",
})  # fmt: skip
"""Options of `kamal app exec` that have a value."""


def convert_hooks(kamal: KamalConversion, beside: KamalFiles) -> None:
    """Run the hooks of a deploy as those of the first service with routes; tell of the others."""
    folder = beside.top / beside.hooks
    services = kamal.draft.services
    web = next((name for name, keys in services.items() if "routes" in keys), next(iter(services)))
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name, row = path.name, f"{beside.hooks}/{path.name}"
        if name.endswith(".sample"):
            continue
        written = AppFolder(folder).read(name) if path.is_file() else ""
        if name not in _LEFT_OUT and (calls := [*_calls(written)]):
            todo = _instead(
                calls, written, _TAKEN.get(name) or ("post" if name.startswith("post") else "pre")
            )
            kamal.draft.report.add(row, Verdict.NEEDS_YOU, todo)
            kamal.draft.note(web, f"{row}: {todo}")
        elif own := _TAKEN.get(name):
            program = literal(shlex.quote(os.path.relpath(path, kamal.base.resolve())))
            given = " ".join(f"{variable}={value}" for variable, value in _VARIABLES.items())
            hooks = services[web].setdefault("hooks", {})
            assert isinstance(hooks, dict)
            hooks[own] = {"local": f"{given} {program if '/' in program else f'./{program}'}"}
            what = f"hooks.{own}.local of {web}, with Kamal's variables: it runs in each deploy that changes {web}"
            kamal.draft.report.add(row, Verdict.CHANGED, what)
            for variable in sorted({*re.findall(r"\bKAMAL_[A-Z_]+\b", written)} - {*_VARIABLES}):
                todo = _UNKNOWN.get(variable, _UNKNOWN_VARIABLE) + _line_to_change(written, variable)
                kamal.draft.report.add(f"{row}: {variable}", Verdict.NEEDS_YOU, todo)
                kamal.draft.note(web, f"{row}: {variable}: {todo}")
        elif name in _LEFT_OUT:
            kamal.draft.report.add(row, Verdict.LEFT_OUT, _LEFT_OUT[name])
        else:
            kamal.draft.report.add(row, Verdict.NEEDS_YOU, _NEEDS_YOU.get(name, _OTHER))
            kamal.draft.note(web, f"{row}: {_NEEDS_YOU.get(name, _OTHER)}")


def _line_to_change(written: str, variable: str) -> str:
    """Advice for a script that ends where a variable is not set."""
    head = written.partition("\n")[0]
    is_strict = re.search(r"^[^#\n]*\bset -[a-z]*(?:u|o nounset)|^#!.*\s-[a-z]*u", written, re.MULTILINE)
    if not is_strict or not re.search(r"\b(?:ba|da|z|k)?sh\b", head):
        return ""
    use = rf"\$\{{?{variable}\}}?(?![\w:-])"
    numbers = [str(n) for n, line in enumerate(written.splitlines(), 1) if re.search(use, line)]
    return (
        f"; `set -u` ends the hook there: write `${{{variable}:-}}` in line {numbers[0]}" if numbers else ""
    )


def _calls(written: str) -> Iterator[str]:
    """The lines of a hook that run Kamal."""
    for line in written.replace("\\\n", " ").splitlines():
        is_text = line.lstrip().startswith("#") or _PRINTED.fullmatch(line)
        if not is_text and _KAMAL.search(line):
            yield line


def _instead(calls: list[str], written: str, own: str) -> str:
    """Advice for a hook that runs Kamal: it would act on Kamal's own server."""
    how = "the hook runs `kamal`, which acts on the containers of Kamal, and so is not taken over"
    rest = f", and what else it does as `hooks.{own}.local`"
    command = _command(calls[0]) if len(calls) == 1 and "ruby" not in written.partition("\n")[0] else ""
    if command:
        return f"{how}: write `hooks.{own}: {command}`, which runs in a container of the new image{rest}"
    first = f"write the commands of its `kamal app exec` as `hooks.{own}`, which run in a container of the new image"
    return f"{how}: {first}{rest}"


def _command(line: str) -> str:
    """The command of a line with `kamal app exec` in a shell; empty where it is another one, or not plain."""
    match = _EXEC.fullmatch(line)
    try:
        words = shlex.split(match[1]) if match is not None else []
    except ValueError:
        return ""
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in _WITH_VALUE:
            del words[:1]
    command = " ".join(words)
    return "" if "$" in command else command
