"""Kamal's config/deploy.yml: ERB has its value, or is a variable in its place."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.yaml.locations import Location, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode
from ftl.dataclass import dataclass
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.app import exec_form
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ftl.errors import Problem

_ERB = re.compile(r"<%=?-?\s*(.*?)\s*-?%>", re.DOTALL)
_CONTROL = re.compile(
    r"^(?:if|unless|else|elsif|end|case|when|while|until|for|begin)\b|\bdo\b\s*(?:\|[^|]*\|)?$|\{\s*(?:\|[^|]*\|)?$|^\}"
)
"""Code that decides which lines there are, and how often."""

_OF_DOTENV = re.compile(r"(?:require\s+[\"']dotenv[\"']\s*;?\s*)?(?:Dotenv\.load\b[^;]*)?")
"""Code that reads .env, which FTL does, too."""

_STAND_IN = "ftl-erb-variable-"

_SIMPLE = r"[\"']([^\"']*)[\"']|(-?\d+(?:\.\d+)?|true|false)"
_TIDIED = r"(?:&?\.(?:to_s|to_i|strip|chomp|presence)(?:\(\))?)*"
_ERB_VARIABLE = re.compile(
    r"ENV(?:\.fetch\(|\[)\s*[\"']([A-Za-z_][A-Za-z0-9_]*)[\"']\s*"
    rf"(?:,\s*(?:{_SIMPLE})\s*)?[)\]]{_TIDIED}(?:\s*(?:\|\|\s*|\{{\s*)(?:{_SIMPLE})\s*\}}?)?{_TIDIED}"
)
"""A variable, perhaps with a text, a number or a truth value for one that is not set."""

_ERB_COMMAND = re.compile(rf"(?:`([^`]+)`|%x(?:\(([^()]+)\)|\{{([^{{}}]+)\}}|\[([^\[\]]+)\])){_TIDIED}")
"""The output of a command, in which Ruby has put nothing."""

_ERB_FILE = re.compile(r"File\.read\(\s*[\"']([\w./-]+)[\"']\s*\)\.(?:strip|chomp)(?:\(\))?")
"""A file of one line, such as .ruby-version."""


_SECTIONS = frozenset({"accessories", "builder", "env", "healthcheck", "logging", "options", "proxy", "ssh"})
_DECISIONS = frozenset({"require_destination", "secret", "ssl", "strip_path_prefix", "ulimit"})
"""Keys whose value is read here: a section, a name, or yes and no. A variable says nothing of them."""

_FREE = frozenset({"clear", "labels", "args", "aliases"})
"""Keys below which all names are free."""

_ADDRESSES = frozenset({"servers", "role", "host", "hosts"})
_TEXTS = frozenset({"env", "args", "labels", "cmd"})
"""Keys whose values may be any text, as that of a secret."""


@dataclass(frozen=True, slots=True)
class ComputedValue:
    """A value that Kamal computes by ERB.

    Attributes:
        name: The variable in its place.
        command: The command that prints it; empty if it is other code.
    """

    name: str
    code: str
    line: int
    command: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The code, with its line."""
        code = self.code if "`" in self.code else f"`{self.code}`"
        return f"{code} (line {self.line})"

    @property
    def placeholder(self) -> str:
        """An address in its place."""
        return f"{self.name.lower().replace('_', '-')}.example.com"

    @property
    def source(self) -> dict[str, object]:
        """The source of a secret: the same command, or a variable that a deploy asks for."""
        if not self.command:
            return {"env": self.name}
        words = [*map(literal, self.command)]
        line = " ".join(words)
        return {"command": line if shlex.join(self.command) == line else words}

    def written(self, key: str) -> str:
        """Its text below a key of Kamal: an address has a placeholder, other texts may be secrets."""
        if key in _ADDRESSES:
            return f"${{{self.name}:-{self.placeholder}}}"
        return f"${{{self.name}}}" if key in _TEXTS else f"${{{self.name}:?}}"


@dataclass(frozen=True, slots=True)
class KamalConfiguration:
    """The content of a file.

    Attributes:
        computed: Values of ERB that is not evaluated.
        dropped: Lines with other code -> that code.
    """

    root: MappingNode
    computed: Sequence[ComputedValue]
    dropped: Mapping[int, str]


class _Erb:
    """Puts a stand-in in the place of each ERB, by which its text in ftl.yaml is found."""

    def __init__(self, file: Path, source: SourceFile) -> None:
        self._file = file
        self._source = source
        self.found: list[str | ComputedValue] = []
        self.lines: list[int] = []
        self.computed: dict[str, ComputedValue] = {}
        self.dropped: dict[int, str] = {}

    def stand_in(self, match: re.Match[str]) -> str:
        """The stand-in of a value; nothing in the place of code that has none.

        Raises:
            ConfigError: What is written depends on it.
        """
        code, line = match[1], self._source.text.count("\n", 0, match.start()) + 1
        if match[0].startswith("<%="):
            self.found.append(self._value(code, line, self._source.text[: match.start()]))
            self.lines.append(line)
            # Braces would be YAML's in a list on one line, where the value that Kamal writes is a text
            return f"{_STAND_IN}{len(self.found) - 1}."
        if _CONTROL.search(code) and not match[0].startswith("<%#"):
            what = "write what it makes: <%= %> is taken over, but no <% if %> and no loop"
            raise ConfigError([Location(self._source, line, 1).problem("this ERB is not evaluated", what)])
        if not match[0].startswith("<%#") and not _OF_DOTENV.fullmatch(code):
            self.dropped[line] = code
        return ""

    def problem(self, number: int, hint: str) -> Problem | None:
        """The problem with the ERB of a stand-in in a place where a variable is none; None if its value is known."""
        value = self.found[number]
        if isinstance(value, str) and not value.startswith("${"):
            return None
        return Location(self._source, self.lines[number], 1).problem("this ERB is not evaluated", hint)

    def _value(self, code: str, line: int, before: str) -> str | ComputedValue:
        if value := _value_in_file(self._file, code):
            return literal(value)
        if known := _ERB_VARIABLE.fullmatch(code):
            default = next(filter(None, known.groups()[1:]), "")
            return f"${{{known[1]}:-{literal(default)}}}" if default else f"${{{known[1]}}}"
        keys = re.findall(r"([A-Za-z_]\w*)[\"']?:\s", before.rpartition("\n")[2])
        name = f"{keys[-1].upper() if keys else f'LINE_{line}'}_OF_KAMAL"
        if name in self.computed:
            name = f"LINE_{line}_{name}"
        command = _ERB_COMMAND.fullmatch(code)
        words = (
            exec_form(next(filter(None, command.groups())).strip()) if command and "#{" not in code else ()
        )
        self.computed[name] = ComputedValue(name, " ".join(code.split()), line, words)
        return self.computed[name]


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
    converted = SourceFile(name, _ERB.sub(erb.stand_in, written))
    root, problems = parse(converted, may_be_empty=not is_whole)
    if problems:
        raise ConfigError(problems)
    if not isinstance(root, MappingNode) or (is_whole and root.get("service") is None):
        raise ConfigError(
            [root.location.problem("this is not a Kamal configuration", "it must have `service:`")]
        )
    if problems := [problem for each in _undecided(root) if (problem := erb.problem(*each))]:
        raise ConfigError(problems)
    filled = _filled(root, erb.found)
    assert isinstance(filled, MappingNode)
    return KamalConfiguration(filled, [*erb.computed.values()], erb.dropped)


def _undecided(node: Node, name: str = "", above: str = "") -> Iterator[tuple[int, str]]:
    """ERB on which it depends what ftl.yaml has, by the number of its stand-in, with what to write."""
    if isinstance(node, MappingNode):
        for key, entry in node.entries.items():
            for number in re.findall(rf"{_STAND_IN}(\d+)\.", key):
                yield int(number), "write the name that it makes"
            if name not in _FREE and (name != "env" or key in ("clear", "secret")):
                yield from _undecided(entry.value, key, name)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _undecided(item, name, above)
    elif (
        name in _DECISIONS
        or (name in _SECTIONS and above not in ("ssh", "builder"))
        or (name in ("directories", "files") and ":" not in node.text)
        or above == "accessories"
    ):
        for number in re.findall(rf"{_STAND_IN}(\d+)\.", node.text):
            yield int(number), f"write what it makes: `{name}` decides what ftl.yaml has"


def _value_in_file(file: Path, code: str) -> str:
    """The line in a file below the app's folder that the code reads; empty if it does not read one."""
    match = _ERB_FILE.fullmatch(code)
    if match is None:
        return ""
    top = top_of(file)
    path = (top / match[1]).resolve()
    value = AppFolder(top).read(match[1]).strip() if path.is_relative_to(top) else ""
    return value if "\n" not in value else ""


def _filled(node: Node, found: Sequence[str | ComputedValue], key: str = "") -> Node:
    """The tree with texts of ftl.yaml: Kamal's own have no variables, those of ERB replace their stand-ins.

    Args:
        node: The tree.
        found: The values by the number of their stand-in.
        key: The key above that says what kind of value it is; empty: none does.
    """
    match node:
        case ScalarNode():
            written = re.sub(rf"\$(?={_STAND_IN})", "$$", literal(node.text))
            filled = re.sub(
                rf"{_STAND_IN}(\d+)\.", lambda match: _written(found[int(match[1])], key), written
            )
            return replace(node, text=filled)
        case SequenceNode():
            return replace(node, items=tuple(_filled(item, found, key) for item in node.items))
    entries = {
        name: replace(entry, value=_filled(entry.value, found, _kind(name, key)))
        for name, entry in node.entries.items()
    }
    return replace(node, entries=entries)


def _kind(name: str, above: str) -> str:
    """The key that decides an entry's kind: below `env` all are texts, in a role only its hosts are addresses."""
    if above in _TEXTS:
        return above
    if name in _ADDRESSES | _TEXTS:
        return name
    return "role" if above == "servers" else ""


def _written(value: str | ComputedValue, key: str) -> str:
    return value if isinstance(value, str) else value.written(key)


def top_of(file: Path) -> Path:
    """The folder of the app."""
    folder = file.resolve().parent
    return folder.parent if folder.name == "config" else folder
