"""Kamal's config/deploy.yml, with ERB of variables and files alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.yaml.marks import Mark, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from pathlib import Path

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
    top = top_of(file)
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


def top_of(file: Path) -> Path:
    """The folder of the app."""
    folder = file.resolve().parent
    return folder.parent if folder.name == "config" else folder
