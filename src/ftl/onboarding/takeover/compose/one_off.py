"""Services of Compose that run once before others: hooks, where they run in the same image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode, Node, ScalarNode
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.compose.mounts import parse_mount
from ftl.onboarding.takeover.nodes import entries, items, pairs, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.takeover.compose.conversion import ConversionContext

_SAME_CONTAINER = ("entrypoint", "user", "working_dir", "read_only", "privileged")
"""Keys that a hook has as its service has them."""


def users(key: str, services: Mapping[str, Node]) -> list[str]:
    """Services that begin when a service has completed."""
    return [
        name
        for name, node in services.items()
        if text(entries(entries(entries(node).get("depends_on")).get(key)).get("condition"))
        == "service_completed_successfully"
    ]


def convert_one_off(context: ConversionContext, key: str, services: Mapping[str, MappingNode]) -> None:
    """Write a service that runs once as the pre hook of the first service with the same image."""
    node, names = services[key], users(key, services)
    place = context.places.get(key)
    report = context.draft.report
    command = node.get("command")
    for user in names:
        keys = context.draft.services.get(context.names[user])
        if keys is None or command is None or "hooks" in keys or not _is_same(context, node, services[user]):
            continue
        words = [context.texts.convert(text(item)) for item in items(command)]
        keys["hooks"] = {"pre": words[0] if isinstance(command, ScalarNode) else {"remote": tuple(words)}}
        own = pairs(services[user].get("environment"))
        missing = [name for name in pairs(node.get("environment")) if name not in own]
        todo = [f"it needs {', '.join(missing)} in `env`"] if missing else []
        todo += _lacking(context, node, services[user])
        if node.get("entrypoint") is None and not _has_no_entrypoint(context, node):
            todo.append(
                "a hook does not run the image's entrypoint: write it before the command, if there is one"
            )
        what = "; ".join((f"hooks.pre of {context.names[user]}", *todo))
        report.add(f"services.{key}", Verdict.NEEDS_YOU if todo else Verdict.CHANGED, what, place)
        for sentence in todo:
            context.draft.note(context.names[user], f"hooks.pre: {sentence}")
        return
    how = "write its command as `hooks: {pre: ...}` there, if the image is the same"
    report.todo(f"services.{key}", f"it runs once before {', '.join(names)}: {how}", place)


def _has_no_entrypoint(context: ConversionContext, node: MappingNode) -> bool:
    """Whether the Dockerfile has no ENTRYPOINT; of an image that is pulled it is not known."""
    build = node.get("build")
    if build is None:
        return False
    options = entries(build)
    folder = context.texts.resolve(text(build) or text(options.get("context"))) or "."
    dockerfile = context.texts.resolve(text(options.get("dockerfile"))) or "Dockerfile"
    written = AppFolder(context.base / folder).read(dockerfile)
    return bool(written) and re.search(r"^[ \t]*ENTRYPOINT\b", written, re.MULTILINE | re.IGNORECASE) is None


def _lacking(context: ConversionContext, node: MappingNode, other: MappingNode) -> list[str]:
    """Mounts, env files, secrets and configs that a service has and the one of its hook has not."""
    lacking = []
    for key in ("volumes", "env_file", "secrets", "configs"):
        given = {_part(context, key, item) for item in items(other.get(key))}
        names = dict.fromkeys(_part(context, key, item) for item in items(node.get(key)))
        if missing := [name for name in names if name not in given]:
            lacking.append(f"it needs {', '.join(missing)}, which {key} of it had")
    return lacking


def _part(context: ConversionContext, key: str, item: Node) -> str:
    """A mount by its ends, or the name of a file, secret or config."""
    resolve = context.texts.resolve
    if key == "volumes":
        mount = parse_mount(item, resolve)
        return f"{mount.source}:{mount.target.rstrip('/')}".lstrip(":")
    long = entries(item)
    return resolve(text(item) or text(long.get("path")) or text(long.get("source"))).removeprefix("./")


def _is_same(context: ConversionContext, node: MappingNode, other: MappingNode) -> bool:
    """Whether both run in one image, as one user."""
    return all(
        _plain(context, node.get(key)) == _plain(context, other.get(key))
        for key in ("image", "build", *_SAME_CONTAINER)
    )


def _plain(context: ConversionContext, node: Node | None) -> object:
    if isinstance(node, MappingNode):
        plain: object = {key: _plain(context, value) for key, value in entries(node).items()}
        return plain
    return [context.texts.resolve(text(item)) for item in items(node)]
