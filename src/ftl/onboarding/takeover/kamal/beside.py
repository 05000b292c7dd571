"""Kamal's files next to config/deploy.yml: secrets of each destination, and hooks."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.kamal.files import top_of
from ftl.onboarding.takeover.kamal.vaults import vault_command
from ftl.onboarding.takeover.nodes import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftl.config.yaml.tree import MappingNode

_COMMAND = re.compile(r"(\"?)\$\(((?!\s*kamal )[^$`]+)\)\1")
"""A command that is not one of Kamal, and takes nothing from a shell's variables."""

_LINE = r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)"


@dataclass(frozen=True, slots=True)
class KamalFiles:
    """Files next to deploy.yml, which may name their places.

    Attributes:
        top: The folder of the app.
        secrets: The file with the secrets; others have its name with an ending.
        destination: The destination that they are of; empty: none.
    """

    top: Path
    secrets: str = ".kamal/secrets"
    hooks: str = ".kamal/hooks"
    destination: str = ""

    def of(self, destination: str) -> KamalFiles:
        """The files of a destination: the common secrets and its own, never those of none."""
        return replace(self, destination=destination)

    @property
    def own_secrets(self) -> str:
        """The file with the secrets that other destinations do not have."""
        return f"{self.secrets}.{self.destination}" if self.destination else self.secrets

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """File, name and value of each secret; the later one wins."""
        folder = AppFolder(self.top)
        for name in (f"{self.secrets}-common", self.own_secrets):
            for line in folder.read(name).splitlines():
                if match := re.match(_LINE, line):
                    yield name, match[1], match[2].strip()


def files_beside(file: Path, root: MappingNode) -> KamalFiles:
    """The files next to a deploy.yml, at the places that it names."""
    usual = KamalFiles(top_of(file))
    return KamalFiles(
        usual.top,
        text(root.get("secrets_path")).removeprefix("./") or usual.secrets,
        text(root.get("hooks_path")).removeprefix("./") or usual.hooks,
    )


def declared_secrets(beside: KamalFiles) -> dict[str, object]:
    """Secrets by files, simple commands and vaults, as `secrets` of ftl.yaml has them.

    A destination's other values come from its .env file, which must win where all others have a source.
    """
    found: dict[str, object] = {}
    lines = [*beside.lines()]
    values = {name: value for _, name, value in lines}
    for name, value in values.items():
        if words := simple_command(value):
            is_file = len(words) == 2 and words[0] == "cat"
            found[name] = {"file": words[1]} if is_file else {"command": _written(words)}
        elif vault := vault_command(value, values):
            found[name] = {"command": vault}
    if beside.destination:
        shared = declared_secrets(replace(beside, destination=""))
        found |= {name: {"env": name} for name in values if name in shared and name not in found}
    return found


def composed_secrets(beside: KamalFiles) -> frozenset[str]:
    """Secrets whose text has others of the file in it, without a command."""
    values = {name: value for _, name, value in beside.lines()}
    return frozenset(
        name
        for name, value in values.items()
        if "$(" not in value
        and value[:1] != "'"
        and set(re.findall(r"(?<!\\)\$\{?([A-Za-z_]\w*)", value)) & (values.keys() - {name})
    )


def values_in_env(file: Path) -> dict[str, str]:
    """Names and values in an env file; none if there is no such file."""
    written = AppFolder(file.parent).read(file.name)
    return dict(re.findall(_LINE, written, re.MULTILINE))


def simple_command(value: str) -> list[str]:
    """The words of a command that needs no shell; none for another value."""
    match = _COMMAND.fullmatch(value)
    lexer = shlex.shlex(match[2] if match is not None else "", posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return []
    return [] if any(set(word) <= set("();<>|&") for word in words) else words


def _written(words: list[str]) -> str | list[str]:
    """A command as ftl.yaml has it: a text, or its words where one of them needs quotes."""
    line = " ".join(words)
    return line if shlex.join(words) == line else words
