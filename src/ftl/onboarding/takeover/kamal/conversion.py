"""Conversion of Kamal's configuration: the draft, and what roles and accessories share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, SequenceNode
from ftl.onboarding.takeover.generated import REQUIRED
from ftl.onboarding.takeover.kamal.secrets.shell import REFERENCE
from ftl.onboarding.takeover.kamal.secrets.sources import SecretSources
from ftl.onboarding.takeover.nodes import ComposeTexts, entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.draft import Draft


class KamalConversion:
    """A configuration of Kamal that is being converted.

    Attributes:
        project: The name of the project, which ends with the destination's, if it is one.
        primary: The role that Kamal means where none is named.
        roles: The roles that are services, by name.
        cron_roles: The others: the service of each one's jobs, and their names.
        sourced: Secrets that Kamal's files name.
        sources: What they are in ftl.yaml.
        asked: Secrets without a value: `secrets` has them, and no deploy starts before they are set.
    """

    def __init__(
        self,
        draft: Draft,
        root: MappingNode,
        base: Path,
        variables: Mapping[str, str],
        destination: str = "",
    ) -> None:
        self.draft = draft
        self.primary = "web"
        self.roles: Mapping[str, Node] = {}
        self.sourced: frozenset[str] = frozenset()
        self.sources = SecretSources({}, {}, {}, {}, {})
        self.asked: dict[str, None] = {}
        self.cron_roles: dict[str, tuple[str, Sequence[str]]] = {}
        self.project = f"{draft.name}-{destination}" if destination else draft.name
        self.root = root
        self.base = base
        self.texts = ComposeTexts(variables, braces_only=True)

    def add(self, key: str, verdict: Verdict, what: str = "", node: Node | None = None) -> None:
        """Report the verdict on a key."""
        self.draft.report.add(key, verdict, what, (node or self.root).location)

    def text(self, node: Node | None) -> str:
        """A single value for ftl.yaml."""
        return self.texts.convert(text(node))

    def command(self, node: Node) -> str | tuple[str, ...]:
        """A command: a text, or a list of words."""
        if isinstance(node, SequenceNode):
            return tuple(self.text(item) for item in node.items)
        return self.text(node)

    def plain(self, node: Node) -> dict[str, object]:
        """A mapping for ftl.yaml."""
        return {
            key: self.plain(value) if isinstance(value, MappingNode) else self.text(value)
            for key, value in entries(node).items()
        }

    def env(self, node: Node | None, key: str) -> dict[str, object]:
        """Variables: clear ones, and secrets as `${NAME}`."""
        known = entries(node)
        env: dict[str, object] = {}
        plain = known.get("clear") if "clear" in known or "secret" in known else node
        env |= {
            name: self.text(value) for name, value in entries(plain).items() if name not in ("secret", "tags")
        }
        for item in items(known.get("secret")):
            name, _, source = text(item).partition(":")
            env[name] = self._secret(name, source or name, is_of_database=key.startswith("accessories."))
        if known.get("tags") is not None:
            names = ", ".join(entries(known["tags"]))
            todo = f"a service has the same env on all servers: write what {names} set into env, or a service for each"
            self.add(f"{key}.tags", Verdict.NEEDS_YOU, todo, known["tags"])
        if node is not None:
            self.add(key, Verdict.CHANGED, "env; secrets are `${NAME}`", node)
        return env

    def _secret(self, name: str, source: str, *, is_of_database: bool) -> str:
        """A secret's text: without a value, a deploy asks for it; that of a database is made up, too."""
        if (composed := self.sources.composed.get(source)) is not None:
            self.draft.written_out.add(source)
            for match in REFERENCE.finditer(composed):
                if match[1] and match[1] not in self.texts.variables:
                    self.asked[match[1]] = None
            return composed
        if source not in self.texts.variables:
            self.asked[source] = None
            if name in REQUIRED and is_of_database and source not in self.sourced:
                self.draft.made_up.add(source)
        return f"${{{source}}}"
