"""Kamal's files: config/deploy.yml, with ERB of variables and files alone, and others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.yaml.marks import Mark, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode
from ftl.dataclass import dataclass
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.draft import text_of
from ftl.onboarding.takeover.kamal.vaults import vault_command
from ftl.onboarding.takeover.nodes import text
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ftl.onboarding.takeover.draft import Draft

_ERB = re.compile(r"<%=?-?\s*(.*?)\s*-?%>", re.DOTALL)
_OF_DOTENV = re.compile(r"(?:require\s+[\"']dotenv[\"']\s*;?\s*)?(?:Dotenv\.load\b[^;]*)?")
"""Code that reads .env, which FTL does, too."""

_MARK = "ftl-erb-variable-"

_ERB_VARIABLE = re.compile(
    r"ENV(?:\.fetch\(|\[)\s*[\"']([A-Za-z_][A-Za-z0-9_]*)[\"']\s*(?:,\s*[\"']([^\"']*)[\"']\s*)?[)\]]"
    r"(?:\s*(?:\|\|\s*|\{\s*)[\"']([^\"']*)[\"']\s*\}?)?"
)

_ERB_FILE = re.compile(r"File\.read\(\s*[\"']([\w./-]+)[\"']\s*\)\.(?:strip|chomp)(?:\(\))?")
"""A file of one line, such as .ruby-version."""

_SIMPLE_COMMAND = re.compile(r"\$\(((?!kamal )[^$`|&;<>()\"']+)\)")
"""A command that needs no shell and is not one of Kamal."""


@dataclass(frozen=True, slots=True)
class KamalFiles:
    """Files next to deploy.yml, which may name their places.

    Attributes:
        top: The folder of the app.
        secrets: The file with the secrets of all destinations; others have its name with an ending.
    """

    top: Path
    secrets: str = ".kamal/secrets"
    hooks: str = ".kamal/hooks"

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """File, name and value of each secret of all destinations; the later one wins."""
        folder = AppFolder(self.top)
        for name in (f"{self.secrets}-common", self.secrets):
            for line in folder.read(name).splitlines():
                if match := re.match(r"^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=(.*)", line):
                    yield name, match[1], match[2].strip()


def files_beside(file: Path, root: MappingNode) -> KamalFiles:
    """The files next to a deploy.yml, at the places that it names."""
    usual = KamalFiles(_top(file))
    return KamalFiles(
        usual.top,
        text(root.get("secrets_path")).removeprefix("./") or usual.secrets,
        text(root.get("hooks_path")).removeprefix("./") or usual.hooks,
    )


def parse_configuration(file: Path, *, is_whole: bool = True) -> MappingNode:
    """Read Kamal's configuration; the file of a destination is not whole, and may be empty.

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
    found: list[str] = []

    def variable(match: re.Match[str]) -> str:
        if match[0].startswith("<%#") or (not match[0].startswith("<%=") and _OF_DOTENV.fullmatch(match[1])):
            return ""
        known = _ERB_VARIABLE.fullmatch(match[1]) if match[0].startswith("<%=") else None
        if match[0].startswith("<%=") and (value := _value_in_file(file, match[1])):
            found.append(literal(value))
            return f"{_MARK}{len(found) - 1}."
        if known is None:
            line = written.count("\n", 0, match.start()) + 1
            what = '<%= ENV["NAME"] %> and <%= File.read("FILE").strip %> of a file in the app\'s folder'
            hint = f"write the value, or a variable: only {what} are taken over"
            raise ConfigError([Mark(source, line, 1).problem("this ERB is not evaluated", hint)])
        default = known[2] or known[3]
        found.append(f"${{{known[1]}:-{literal(default)}}}" if default else f"${{{known[1]}}}")
        # Braces would be YAML's in a list on one line, where the value that Kamal writes is a text
        return f"{_MARK}{len(found) - 1}."

    converted = SourceFile(name, _ERB.sub(variable, written))
    root, problems = parse(converted, may_be_empty=not is_whole)
    if problems:
        raise ConfigError(problems)
    if not isinstance(root, MappingNode) or (is_whole and root.get("service") is None):
        raise ConfigError([root.mark.problem("this is not a Kamal configuration", "it must have `service:`")])
    filled = _filled(root, found)
    assert isinstance(filled, MappingNode)
    return filled


def _value_in_file(file: Path, code: str) -> str:
    """The line in a file below the app's folder that the code reads; empty if it does not read one."""
    match = _ERB_FILE.fullmatch(code)
    if match is None:
        return ""
    top = _top(file)
    path = (top / match[1]).resolve()
    value = AppFolder(top).read(match[1]).strip() if path.is_relative_to(top) else ""
    return value if "\n" not in value else ""


def _filled(node: Node, found: list[str]) -> Node:
    """The tree with texts of ftl.yaml: Kamal's own have no variables, those of ERB are put in place of their marks."""
    match node:
        case ScalarNode():
            written = re.sub(rf"\$(?={_MARK})", "$$", literal(node.text))
            filled = re.sub(rf"{_MARK}(\d+)\.", lambda match: found[int(match[1])], written)
            return replace(node, text=filled)
        case SequenceNode():
            return replace(node, items=tuple(_filled(item, found) for item in node.items))
    entries = {key: replace(entry, value=_filled(entry.value, found)) for key, entry in node.entries.items()}
    return replace(node, entries=entries)


def declared_secrets(beside: KamalFiles) -> dict[str, object]:
    """Secrets by files, simple commands and vaults, as `secrets` of ftl.yaml has them."""
    found: dict[str, object] = {}
    lines = [*beside.lines()]
    values = {name: value for _, name, value in lines}
    for _, name, value in lines:
        if command := _SIMPLE_COMMAND.fullmatch(value):
            read = re.fullmatch(r"cat (\S+)", command[1])
            found[name] = {"file": read[1]} if read else {"command": command[1]}
        elif vault := vault_command(value, values):
            found[name] = {"command": vault}
    return found


def values_in_env(file: Path) -> dict[str, str]:
    """Names and values in an env file; none if there is no such file."""
    written = AppFolder(file.parent).read(file.name)
    return dict(re.findall(r"^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=(.*)", written, re.MULTILINE))


def take_over_other_files(draft: Draft, beside: KamalFiles, variables: Mapping[str, str]) -> None:
    """Report secrets and hooks."""
    declared, used = declared_secrets(beside), text_of(draft)
    taken = "\n".join(value for _, name, value in beside.lines() if name in declared)
    for place, name, value in beside.lines():
        row = f"{place}: {name}"
        passed_on = re.fullmatch(r"[\"']?\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?[\"']?", value)
        if value.startswith("$(kamal secrets fetch ") and re.search(rf"\$\{{?{name}\b", taken):
            draft.report.add(row, Verdict.CHANGED, "commands of the vault's CLI, one for each secret")
        elif f"${{{name}" not in used and name not in declared:
            draft.report.add(row, Verdict.LEFT_OUT, "nothing in ftl.yaml uses it")
        elif name in declared:
            draft.report.add(row, Verdict.CHANGED, f"secrets.{name}")
        elif "$(" in value:
            how = f"set it before a deploy: `export {name}={value}`, or write a command in `secrets`"
            draft.report.add(row, Verdict.NEEDS_YOU, how)
        elif name in variables:
            draft.report.add(row, Verdict.CHANGED, "`${NAME}` takes it from the environment or .env")
        elif passed_on and passed_on[1] == name:
            what = "`${NAME}` takes it from the environment or .env, as here; it is not set now"
            draft.report.add(row, Verdict.CHANGED, what)
        else:
            draft.report.add(
                row, Verdict.NEEDS_YOU, f"copy the line to .env, from where `${{{name}}}` takes it"
            )
    secrets = beside.top / beside.secrets
    for path in sorted(secrets.parent.glob(f"{secrets.name}.*")):
        todo = f"write its lines into .env.{path.suffix[1:]}, or its commands as `secrets`"
        draft.report.add(f"{beside.secrets}{path.suffix}", Verdict.NEEDS_YOU, todo)
    hooks = beside.top / beside.hooks
    for path in sorted(hooks.iterdir()) if hooks.is_dir() else ():
        if not path.name.endswith(".sample"):
            what = "write it as `hooks: {pre: {local: ...}}` or `post` of a service"
            draft.report.add(f"{beside.hooks}/{path.name}", Verdict.NEEDS_YOU, what)
    keys = {row.key for row in draft.report.rows}
    if "traefik" not in keys:  # its row says this
        proxy, remove = ("Traefik", "traefik") if "healthcheck" in keys else ("kamal-proxy", "proxy")
        todo = f"{proxy} has ports 80 and 443: run `kamal {remove} remove` before the first deploy"
        draft.report.add("the server", Verdict.NEEDS_YOU, todo)


def _top(file: Path) -> Path:
    """The folder of the app."""
    folder = file.resolve().parent
    return folder.parent if folder.name == "config" else folder
