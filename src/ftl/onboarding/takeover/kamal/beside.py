"""Kamal's files next to config/deploy.yml: secrets of each destination, and hooks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.kamal.files import top_of
from ftl.onboarding.takeover.kamal.secrets.sources import sources_of
from ftl.onboarding.takeover.nodes import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ftl.config.yaml.tree import MappingNode
    from ftl.onboarding.takeover.kamal.secrets.sources import SecretSources

_LINE = r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)"


@dataclass(frozen=True, slots=True)
class KamalFiles:
    """Files next to deploy.yml, which may name their places.

    Attributes:
        top: The folder of the app.
        secrets: The file with the secrets; others have its name with an ending.
        destination: The destination that they are of; empty: none.
        elsewhere: Secrets that every destination has, where nothing is deployed without one.
    """

    top: Path
    secrets: str = ".kamal/secrets"
    hooks: str = ".kamal/hooks"
    destination: str = ""
    elsewhere: frozenset[str] = frozenset()

    def with_destinations(self, names: Iterable[str]) -> KamalFiles:
        """The files of no destination, where nothing is deployed without one of these."""
        each = [{name for _, name, _ in self.of(destination).lines()} for destination in names]
        return replace(self, elsewhere=frozenset(set.intersection(*each)) if each else frozenset())

    def of(self, destination: str) -> KamalFiles:
        """The files of a destination: the common secrets and its own, never those of none."""
        return replace(self, destination=destination, elsewhere=frozenset())

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
                    yield name, match[1], _without_comment(match[2].strip())


def files_beside(file: Path, root: MappingNode) -> KamalFiles:
    """The files next to a deploy.yml, at the places that it names."""
    usual = KamalFiles(top_of(file))
    return KamalFiles(
        usual.top,
        text(root.get("secrets_path")).removeprefix("./") or usual.secrets,
        text(root.get("hooks_path")).removeprefix("./") or usual.hooks,
    )


def secret_sources(beside: KamalFiles) -> SecretSources:
    """Sources of the secrets, as ftl.yaml has them.

    A destination's other values come from its .env file, which must win where all others have a source.
    """
    values = {name: value for _, name, value in beside.lines()}
    own = sources_of(values)
    if not beside.destination:
        return own
    shared = secret_sources(replace(beside, destination="")).declared
    others: dict[str, dict[str, object]] = {
        name: {"env": name} for name in values if name in shared and name not in own.composed
    }
    return replace(own, declared={**others, **own.declared})


def values_in_env(file: Path) -> dict[str, str]:
    """Names and values in an env file; none if there is no such file."""
    written = AppFolder(file.parent).read(file.name)
    return dict(re.findall(_LINE, written, re.MULTILINE))


def _without_comment(value: str) -> str:
    """A value without the comment behind it; in quotes and in a command `#` begins none."""
    if value[:1] in ("'", '"') and (end := value.find(value[0], 1)) > 0 and "$(" not in value:
        return value[: end + 1]
    for match in re.finditer(r"\s+#", value):
        before = value[: match.start()]
        if before.count("(") == before.count(")"):
            return before
    return value
