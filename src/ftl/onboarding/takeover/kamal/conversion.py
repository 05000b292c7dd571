"""Conversion of Kamal's configuration: the draft, and what roles and accessories share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, SequenceNode
from ftl.onboarding.takeover.kamal.volumes import volumes_of
from ftl.onboarding.takeover.nodes import ComposeTexts, entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.draft import Draft

_LIMITS = {"memory": "memory", "cpus": "cpus", "pids-limit": "pids"}
_SAME_OPTIONS = {
    "user": "user",
    "workdir": "working_dir",
    "shm-size": "shm_size",
    "stop-signal": "stop_signal",
    "stop-timeout": "stop_timeout",
    "restart": "restart",
    "init": "init",
    "read-only": "read_only",
}


_LISTS = {
    "add-host": "extra_hosts",
    "cap-add": "cap_add",
    "cap-drop": "cap_drop",
    "device": "devices",
    "tmpfs": "tmpfs",
}


class KamalConversion:
    """A configuration of Kamal that is being converted."""

    def __init__(self, draft: Draft, root: MappingNode, base: Path, variables: Mapping[str, str]) -> None:
        self.draft = draft
        self.root = root
        self.base = base
        self.texts = ComposeTexts(variables, braces_only=True)

    def add(self, key: str, verdict: Verdict, what: str = "", node: Node | None = None) -> None:
        """Report the verdict on a key."""
        self.draft.report.add(key, verdict, what, (node or self.root).mark)

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
            env[name] = self.texts.convert(f"${{{source or name}}}")
        if known.get("tags") is not None:
            self.add(f"{key}.tags", Verdict.NEEDS_YOU, "env is the same on the whole server", known["tags"])
        if node is not None:
            self.add(key, Verdict.CHANGED, "env; secrets are `${NAME}`", node)
        return env

    def option(self, keys: dict[str, object], path: str, name: str, node: Node) -> None:
        """A key of a role or an accessory that is about its containers."""
        match name:
            case "labels" | "logging":
                keys[name] = self.plain(node)
                self.add(f"{path}.{name}", Verdict.TAKEN, node=node)
            case "stop_timeout" | "stop_wait_time":
                keys["stop_timeout"] = self.text(node)
                self.add(f"{path}.{name}", Verdict.CHANGED, "stop_timeout", node)
            case "options":
                self.docker_options(keys, f"{path}.{name}", node)
            case _:
                todo = "write the same keys of the service, where FTL has them"
                self.add(f"{path}.{name}", Verdict.NEEDS_YOU, todo, node)

    @staticmethod
    def _add_pairs(keys: dict[str, object], option: str, own: dict[str, str]) -> None:
        """Add labels, or limits of processes: `nofile=SOFT:HARD`."""
        if option == "label":
            given = keys.get("labels")
            keys["labels"] = {**(given if isinstance(given, dict) else {}), **own}
            return
        limits: dict[str, object] = {}
        for name, value in own.items():
            soft, colon, hard = value.partition(":")
            limits[name] = {"soft": soft, "hard": hard} if colon else value
        container = keys.get("container")
        keys["container"] = {**(container if isinstance(container, dict) else {}), "ulimits": limits}

    def docker_options(self, keys: dict[str, object], path: str, node: Node) -> None:
        """Options of `docker run`: those for which ftl.yaml has a key."""
        for name, value in entries(node).items():
            limit = _LIMITS.get(name)
            if limit is not None:
                resources = keys.setdefault("resources", {})
                assert isinstance(resources, dict)
                resources[limit] = self.text(value)
                self.add(f"{path}.{name}", Verdict.CHANGED, f"resources.{limit}", value)
            elif name in _SAME_OPTIONS:
                keys[_SAME_OPTIONS[name]] = self.text(value)
                self.add(f"{path}.{name}", Verdict.CHANGED, _SAME_OPTIONS[name], value)
            elif name in _LISTS:
                keys[_LISTS[name]] = [self.text(item) for item in items(value)]
                self.add(f"{path}.{name}", Verdict.CHANGED, _LISTS[name], value)
            elif name in ("label", "ulimit"):
                pairs = (self.text(item).partition("=") for item in items(value))
                own = {key: part for key, _, part in pairs}
                self._add_pairs(keys, name, own)
                self.add(
                    f"{path}.{name}",
                    Verdict.CHANGED,
                    "labels" if name == "label" else "container.ulimits",
                    value,
                )
            elif name == "volume":
                given = keys.get("volumes")
                more = volumes_of(self, f"{path}.volume", value)
                keys["volumes"] = [*(given if isinstance(given, list) else []), *more]
            elif name in ("publish", "env-file") and not path.startswith("accessories."):
                own_key = "forwards" if name == "publish" else "env_file"
                keys[own_key] = [self.text(item) for item in items(value)]
                how = (
                    "forwards: 80 and 443 are the proxy's"
                    if name == "publish"
                    else "env_file, of this machine"
                )
                self.add(f"{path}.{name}", Verdict.CHANGED, how, value)
            else:
                todo = "write the key of the service for `docker run --{name}`, where FTL has one"
                self.add(f"{path}.{name}", Verdict.NEEDS_YOU, todo.format(name=name), value)
