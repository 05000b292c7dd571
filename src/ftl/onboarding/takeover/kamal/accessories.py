"""Kamal's accessories: databases and other containers, as dependencies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import IMAGE_PORTS
from ftl.onboarding.names import project_name
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.keys.text_files import is_text
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion


def accessories(kamal: KamalConversion) -> None:
    """Convert all accessories."""
    for key, node in entries(kamal.root.get("accessories")).items():
        name = project_name(key)
        options = entries(node)
        image = kamal.text(options.get("image"))
        keys: dict[str, object] = {"image": image}
        if env := kamal.env(options.get("env"), f"accessories.{key}.env"):
            keys["env"] = env
        port = re.search(r"(\d+)$", kamal.texts.resolve(text(options.get("port"))))
        known = int(port[1]) if port else IMAGE_PORTS.get(images.kind(image))
        keys["ports"] = [known] if known else []
        volumes = [kamal.text(item) for item in items(options.get("volumes"))]
        for item in items(options.get("directories")):
            source, _, target = kamal.text(item).partition(":")
            volumes.append(
                f"{source}:{target}"
                if source.startswith("/")
                else f"{name}_{re.sub(r'[^a-z0-9]+', '_', source)}:{target}"
            )
            if not source.startswith("/"):
                path = f"~/{kamal.draft.name}-{key}/{source}"
                todo = f"Kamal keeps it in {path} on the server: copy it into the volume, or mount that path"
                kamal.add(f"accessories.{key}.directories", Verdict.NEEDS_YOU, todo, item)
                kamal.draft.note(name, f"directories: {todo}")
        if volumes:
            keys["volumes"] = volumes
        for option, value in options.items():
            if option == "cmd":
                keys["command"] = kamal.text(value)
                kamal.add(f"accessories.{key}.cmd", Verdict.CHANGED, "command", value)
            elif option == "files":
                _files(kamal, keys, name, f"accessories.{key}.files", value)
            elif option in ("options", "labels"):
                kamal.option(keys, f"accessories.{key}", option, value)
            elif option in ("host", "hosts", "role", "roles", "tag", "tags"):
                kamal.add(
                    f"accessories.{key}.{option}",
                    Verdict.LEFT_OUT,
                    "it runs on the project's server",
                    value,
                )
        if not keys["ports"]:
            del keys["ports"]
        kamal.draft.dependencies[name] = keys
        todo = f"Kamal names its container {kamal.draft.name}-{key}: the app must reach it as {name}"
        kamal.add(f"accessories.{key}", Verdict.CHANGED, f"the dependency {name}. {todo}", node)


def _files(kamal: KamalConversion, keys: dict[str, object], name: str, path: str, node: Node) -> None:
    """Files that Kamal uploads beside an accessory: text files become `files`."""
    files: list[dict[str, str]] = []
    for item in items(node) or (node,):
        long = entries(item)
        local, _, remote = kamal.text(item).partition(":")
        local = kamal.text(long.get("local")) or local
        remote = (kamal.text(long.get("remote")) or remote).partition(":")[0]
        if local.endswith(".erb") or not remote or not is_text(kamal.base / local):
            todo = f"write {local or 'it'} as one of the `files` of the dependency, without ERB"
            kamal.add(path, Verdict.NEEDS_YOU, todo, item)
            kamal.draft.note(name, f"files: {todo}")
        else:
            files.append({"path": remote, "source": local})
            kamal.add(path, Verdict.CHANGED, "files", item)
    if files:
        keys["files"] = files
