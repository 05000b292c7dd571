"""Kamal's config/deploy.yml as a YAML tree. Of ERB, only variables are understood."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.yaml.marks import Mark, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode
from ftl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

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
