"""The decrypted text of an age file: a YAML map of names to values. Comments in it are kept."""

from __future__ import annotations

import yaml

from ftl.config.values.scalars import InvalidValue, variable_name
from ftl.config.yaml.locations import Location, SourceFile
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, ScalarNode, describe_kind
from ftl.errors import ConfigError

_TEXT = "tag:yaml.org,2002:str"


def parse_map(text: str, file: str) -> dict[str, str]:
    """Read the map; each value is the text as it is written, without its quotes.

    Problems name the file, and do not quote its lines.

    Raises:
        ConfigError: It is not a map of names to single values.
    """
    source = SourceFile(file, text, confidential=True)
    root, problems = parse(source, may_be_empty=True)
    if not isinstance(root, MappingNode):
        message = f"the file must be a map of names to values, not {describe_kind(root)}"
        raise Location(source, 1, 1).error(message, "write `NAME: value`, one per line")
    values: dict[str, str] = {}
    for name, entry in root.entries.items():
        try:
            variable_name(name)
        except InvalidValue as error:
            problems.append(entry.key.problem(f"a name {error.message}", error.hint))
        if isinstance(entry.value, ScalarNode):
            values[name] = "" if entry.value.is_null else entry.value.text
        else:
            hint = "write text of several lines after `|`"
            problems.append(entry.key.problem(f"{name} is not a single value", hint))
    if problems:
        raise ConfigError(problems)
    return values


def with_value(text: str, name: str, value: str, file: str) -> str:
    """The text with this value; everything else in it stays.

    Raises:
        ConfigError: The text is not a map of names to single values.
    """
    wanted = {**parse_map(text, file), name: value}
    for candidate in (_replaced(text, name, value), _appended(text, name, value)):
        try:
            if parse_map(candidate, file) == wanted:
                return candidate
        except ConfigError:
            continue
    return "".join(_line(*item) for item in wanted.items())  # a map in braces, for example


def _replaced(text: str, name: str, value: str) -> str:
    """The text with the line or the block of the name replaced."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) and not root.flow_style else ()
    for key, node in entries:
        if key.value == name:
            rest = text[node.end_mark.index :]
            line = _line(name, value)
            if rest.startswith((" ", "\t")):  # a comment behind the value
                line = line.removesuffix("\n")
            return text[: key.start_mark.index] + line + rest.removeprefix("\n")
    return ""


def _appended(text: str, name: str, value: str) -> str:
    return f"{text}\n{_line(name, value)}" if text and not text.endswith("\n") else text + _line(name, value)


def _line(name: str, value: str) -> str:
    """A line of the map; a value of several lines is a block where YAML can write it as one."""
    style = "|" if "\n" in value else None
    node = yaml.MappingNode(
        "tag:yaml.org,2002:map",
        [(yaml.ScalarNode(_TEXT, name), yaml.ScalarNode(_TEXT, value, style=style or '"'))],
        flow_style=False,
    )
    return yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=1 << 20)
