"""Kamal's files: config/deploy.yml, of whose ERB only variables are understood, and others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.yaml.marks import Mark, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.onboarding.takeover.draft import Draft


_ERB = re.compile(r"<%=?-?\s*(.*?)\s*-?%>", re.DOTALL)
_ERB_VARIABLE = re.compile(
    r"ENV(?:\.fetch\(|\[)\s*[\"']([A-Za-z_][A-Za-z0-9_]*)[\"']\s*(?:,\s*[\"']([^\"']*)[\"']\s*)?[)\]]"
)


def parse_configuration(file: Path) -> MappingNode:
    """Read Kamal's configuration.

    Raises:
        ConfigError: It cannot be parsed, or has ERB that is more than a variable.
        UsageError: It cannot be read.
    """
    name = display_path(file)
    try:
        written = read_small_text(file)
    except OSError as error:
        raise UsageError(f"{name} cannot be read", cause=error.strerror) from error
    source = SourceFile(name, written)

    def variable(match: re.Match[str]) -> str:
        known = _ERB_VARIABLE.fullmatch(match[1])
        if known is None:
            line = written.count("\n", 0, match.start()) + 1
            hint = 'write the value, or a variable: only <%= ENV["NAME"] %> is taken over'
            raise ConfigError([Mark(source, line, 1).problem("this ERB is not evaluated", hint)])
        return f"${{{known[1]}:-{known[2]}}}" if known[2] else f"${{{known[1]}}}"

    converted = SourceFile(name, _ERB.sub(variable, written))
    root, problems = parse(converted)
    if problems:
        raise ConfigError(problems)
    if not isinstance(root, MappingNode) or root.get("service") is None:
        raise ConfigError([root.mark.problem("this is no configuration of Kamal", "it must have `service:`")])
    return root


_SIMPLE_COMMAND = re.compile(r"\$\(((?!kamal )[^$`|&;<>()\"']+)\)")
"""A command that needs no shell, and none of Kamal's own."""


def take_over_other_files(draft: Draft, file: Path) -> None:
    """Files of Kamal beside the configuration: secrets, hooks, destinations."""
    top = file.resolve().parent.parent if file.resolve().parent.name == "config" else file.resolve().parent
    folder = AppFolder(top)
    secrets: dict[str, object] = {}
    for line in folder.read(".kamal/secrets").splitlines():
        if match := re.match(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", line):
            name, value = match[1], match[2].strip()
            row = f".kamal/secrets: {name}"
            command = _SIMPLE_COMMAND.fullmatch(value)
            if command is not None:
                file_name = re.fullmatch(r"cat (\S+)", command[1])
                secrets[name] = {"file": file_name[1]} if file_name else {"command": command[1]}
                draft.report.add(row, Verdict.CHANGED, f"secrets.{name}")
            elif "$(" in value:
                how = f"set it before a deploy: `export {name}={value}`, or write a command in `secrets`"
                draft.report.add(row, Verdict.NEEDS_YOU, how)
            else:
                draft.report.add(row, Verdict.CHANGED, "`${NAME}` takes it from the environment or .env")
    if secrets:
        draft.top["secrets"] = secrets
    hooks = top / ".kamal" / "hooks"
    if hooks.is_dir():
        for path in sorted(hooks.iterdir()):
            if not path.name.endswith(".sample"):
                what = "write it as `hooks: {pre: {local: ...}}` or `post` of a service"
                draft.report.add(f".kamal/hooks/{path.name}", Verdict.NEEDS_YOU, what)
    for path in sorted(file.parent.glob("deploy.*.yml")):
        name = path.name.removeprefix("deploy.").removesuffix(".yml")
        todo = f"write what differs into ftl.{name}.yaml, and use it with `ftl -e {name}`"
        draft.report.add(path.name, Verdict.NEEDS_YOU, todo)
    todo = "kamal-proxy has ports 80 and 443: run `kamal proxy remove` before the first deploy"
    draft.report.add("the server", Verdict.NEEDS_YOU, todo)
