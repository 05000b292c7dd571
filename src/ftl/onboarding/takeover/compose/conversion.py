"""Conversion of one service of a Compose file: its keys so far, and the verdicts on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, Node, SequenceNode
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.proxies.labels import labels_of, routes_of
from ftl.onboarding.takeover.nodes import entries, items, pairs, text
from ftl.onboarding.takeover.report import Verdict, Verdicts, by_hint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.yaml.locations import Location
    from ftl.onboarding.takeover.compose.port_forms import Port
    from ftl.onboarding.takeover.compose.proxies.labels import LabelledRoutes
    from ftl.onboarding.takeover.draft import Draft
    from ftl.onboarding.takeover.nodes import ComposeTexts


@dataclass(slots=True)
class ConversionContext:
    """State that the services of one file share.

    Attributes:
        names: Name in Compose -> name in ftl.yaml.
        kinds: Name in Compose -> "service", "dependency", "none", "one-off".
        candidates: Services that publish a port for HTTP, with it; one of them gets the domain.
        local: Services that publish such a port on 127.0.0.1 alone.
        unnumbered: Services that publish such a port at a number that the engine chose.
        refused: Services with a rule of another proxy that is not taken over: who is public is not known.
        places: Place of each service.
        folders: Folder of this machine -> the volume in its place.
        fronted: Routes of services by the file of a proxy in front of them.
        images: Image that each service runs, or is built on.
        extended: Services that extend another one, with the place that says so.
        built_by: Services that run an image of another one, with that one.
    """

    draft: Draft
    texts: ComposeTexts
    base: Path
    names: Mapping[str, str]
    kinds: Mapping[str, str]
    secrets: Mapping[str, Node]
    configs: Mapping[str, Node]
    candidates: dict[str, Port] = field(default_factory=dict)
    local: dict[str, Port] = field(default_factory=dict)
    unnumbered: dict[str, Port] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    places: Mapping[str, Location] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Node] = field(default_factory=dict)
    services: Mapping[str, MappingNode] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    fronted: Mapping[str, LabelledRoutes] = field(default_factory=dict)
    extended: Mapping[str, Location] = field(default_factory=dict)
    built_by: Mapping[str, str] = field(default_factory=dict)

    def labelled(self, source: str, node: MappingNode) -> LabelledRoutes:
        """Routes of a service by labels and variables, else by the proxy in front of it."""
        found = routes_of(node, self.texts.resolve)
        return found if found.routes or found.refused else self.fronted.get(source, found)


class ComposeConversion(Verdicts["Node"]):
    """A service that is being converted.

    Attributes:
        source: The name in Compose.
        name: The name in ftl.yaml.
        labelled: Routes and port by the labels of another proxy.
    """

    def __init__(self, context: ConversionContext, source: str, node: MappingNode) -> None:
        self.context = context
        self.draft = context.draft
        self.source = source
        self.node = node
        self.name = context.names[source]
        self.is_dependency = context.kinds[source] == "dependency"
        self.keys: dict[str, object] = {}
        self.labels = labels_of(node)
        self.labelled = context.labelled(source, node)
        if self.labelled.refused:
            context.refused.append(source)

    def add(self, key: str, verdict: Verdict, text: str = "", place: Node | None = None) -> None:
        """Report the verdict on a key; one that needs the user becomes a comment in ftl.yaml, too."""
        path = f"services.{self.source}.{key}".rstrip(".")
        entry = self.node.entries.get(key.partition(".")[0].partition("[")[0])
        location: Location | None = (
            place.location if place is not None else entry.key if entry is not None else None
        )
        self.draft.report.add(path, verdict, text, location)
        if verdict is Verdict.NEEDS_YOU:
            self.draft.note(self.name, f"{key}: {text}")

    def add_hint(self, key: str, hint: str, node: Node | None = None) -> None:
        """Report a key that FTL does not have, by the hint for it in ftl.yaml."""
        self.add(key, *by_hint(hint), node)

    @property
    def kind(self) -> str:
        """Kind of image that the service runs, or is built on."""
        return images.kind(self.context.images.get(self.source, ""))

    def resolve(self, written: str) -> str:
        """A text with the values that its variables have now."""
        return self.context.texts.resolve(written)

    def convert(self, written: str) -> str:
        """A text with FTL's form of each variable."""
        return self.context.texts.convert(written)

    def text(self, node: Node | None) -> str:
        """A single value for ftl.yaml."""
        return self.convert(text(node))

    def plain(self, node: Node) -> object:
        """Any value for ftl.yaml."""
        if isinstance(node, MappingNode):
            return {key: self.plain(value) for key, value in entries(node).items()}
        if isinstance(node, SequenceNode):
            return [self.plain(item) for item in node.items]
        return self.text(node)

    def mapping(self, key: str) -> dict[str, object]:
        """The mapping under a key of ftl.yaml so far."""
        value = self.keys.get(key)
        return value if isinstance(value, dict) else {}

    def environment(self, key: str, node: Node) -> dict[str, str]:
        """Variables of the service or its build; one without a value is passed on where it is set."""
        found: dict[str, str] = {}
        for index, item in enumerate(items(node)):
            if isinstance(item, (MappingNode, SequenceNode)):
                self.todo(f"{key}[{index}]", "an item is not text, which Compose refuses", item)
        for name, value in pairs(node).items():
            given = entries(node).get(name)
            if isinstance(given, (MappingNode, SequenceNode)):
                self.todo(f"{key}: {name}", "its value is not text, which Compose refuses", given)
            elif value is not None:
                found[name] = self.convert(value)
            elif name in self.context.texts.variables:
                found[name] = f"${{{name}}}"
            else:
                what = f"not set, and so not passed on, as in Compose: write `{name}: ${{{name}}}` once it is"
                self.left_out(f"{key}: {name}", what)
        return found
