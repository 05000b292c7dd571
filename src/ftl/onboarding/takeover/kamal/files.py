"""Kamal's config/deploy.yml: ERB has its value, or is a variable in its place."""

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
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ERB = re.compile(r"<%=?-?\s*(.*?)\s*-?%>", re.DOTALL)
_CONTROL = re.compile(
    r"^(?:if|unless|else|elsif|end|case|when|while|until|for|begin)\b|\bdo\b\s*(?:\|[^|]*\|)?$|\{\s*(?:\|[^|]*\|)?$|^\}"
)
"""Code that decides which lines there are, and how often."""

_OF_DOTENV = re.compile(r"(?:require\s+[\"']dotenv[\"']\s*;?\s*)?(?:Dotenv\.load\b[^;]*)?")
"""Code that reads .env, which FTL does, too."""

_MARK = "ftl-erb-variable-"

_ERB_VARIABLE = re.compile(
    r"ENV(?:\.fetch\(|\[)\s*[\"']([A-Za-z_][A-Za-z0-9_]*)[\"']\s*(?:,\s*[\"']([^\"']*)[\"']\s*)?[)\]]"
    r"(?:\s*(?:\|\|\s*|\{\s*)[\"']([^\"']*)[\"']\s*\}?)?"
)

_ERB_FILE = re.compile(r"File\.read\(\s*[\"']([\w./-]+)[\"']\s*\)\.(?:strip|chomp)(?:\(\))?")
"""A file of one line, such as .ruby-version."""


@dataclass(frozen=True, slots=True)
class KamalConfiguration:
    """The content of a file.

    Attributes:
        computed: Variable in place of ERB that is not evaluated -> that code, with its line.
        dropped: Lines with other code -> that code.
    """

    root: MappingNode
    computed: Mapping[str, str]
    dropped: Mapping[int, str]


class _Erb:
    """Puts a mark in the place of each ERB, by which its text in ftl.yaml is found."""

    def __init__(self, file: Path, source: SourceFile) -> None:
        self._file = file
        self._source = source
        self.found: list[str] = []
        self.computed: dict[str, str] = {}
        self.dropped: dict[int, str] = {}

    def mark(self, match: re.Match[str]) -> str:
        """The mark of a value; nothing in the place of code that has none.

        Raises:
            ConfigError: What is written depends on it.
        """
        code, line = match[1], self._source.text.count("\n", 0, match.start()) + 1
        if match[0].startswith("<%="):
            self.found.append(self._value(code, line, self._source.text[: match.start()]))
            # Braces would be YAML's in a list on one line, where the value that Kamal writes is a text
            return f"{_MARK}{len(self.found) - 1}."
        if _CONTROL.search(code) and not match[0].startswith("<%#"):
            what = "write what it makes: <%= %> is taken over, but no <% if %> and no loop"
            raise ConfigError([Mark(self._source, line, 1).problem("this ERB is not evaluated", what)])
        if not match[0].startswith("<%#") and not _OF_DOTENV.fullmatch(code):
            self.dropped[line] = code
        return ""

    def _value(self, code: str, line: int, before: str) -> str:
        if value := _value_in_file(self._file, code):
            return literal(value)
        if known := _ERB_VARIABLE.fullmatch(code):
            default = known[2] or known[3]
            return f"${{{known[1]}:-{literal(default)}}}" if default else f"${{{known[1]}}}"
        keys = re.findall(r"([A-Za-z_]\w*)[\"']?:\s", before.rpartition("\n")[2])
        name = f"{keys[-1].upper() if keys else f'LINE_{line}'}_OF_KAMAL"
        if name in self.computed:
            name = f"LINE_{line}_{name}"
        self.computed[name] = f"`{' '.join(code.split())}` (line {line})"
        return f"${{{name}:?}}"


def parse_configuration(file: Path, *, is_whole: bool = True) -> KamalConfiguration:
    """Read Kamal's configuration; the file of a destination is not whole, and may be empty.

    Raises:
        ConfigError: It cannot be parsed, or has ERB on which its lines depend.
        UsageError: It cannot be read.
    """
    name = display_path(file)
    try:
        written = read_small_text(file)
    except OSError as error:
        raise UsageError(f"{name} cannot be read", cause=error.strerror) from error
    erb = _Erb(file, SourceFile(name, written))
    converted = SourceFile(name, _ERB.sub(erb.mark, written))
    root, problems = parse(converted, may_be_empty=not is_whole)
    if problems:
        raise ConfigError(problems)
    if not isinstance(root, MappingNode) or (is_whole and root.get("service") is None):
        raise ConfigError([root.mark.problem("this is not a Kamal configuration", "it must have `service:`")])
    filled = _filled(root, erb.found)
    assert isinstance(filled, MappingNode)
    return KamalConfiguration(filled, erb.computed, erb.dropped)


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
