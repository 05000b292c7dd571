"""Command and environment of a Compose service."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import ScalarNode, SequenceNode
from ftl.onboarding.env_secrets import values_in
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.nodes import entries, items, pairs, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

_OF_NGINX_PROXY = ("VIRTUAL_HOST", "VIRTUAL_PORT", "LETSENCRYPT_HOST", "LETSENCRYPT_EMAIL")


def command(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Command or entrypoint; an empty one is the image's."""
    if isinstance(node, SequenceNode):
        if node.items:
            conversion.keys[key] = tuple(conversion.text(item) for item in node.items)
        elif key == "entrypoint":
            _no_entrypoint(conversion)
            return
    elif written := conversion.text(node).strip():
        conversion.keys[key] = " ".join(written.split("\n")) if _has_no_quotes(written) else written
    conversion.taken(key)


def _no_entrypoint(conversion: ComposeConversion) -> None:
    """An empty entrypoint: in Compose the image's is not used, and the command is the program."""
    node = conversion.node.get("command")
    words = [conversion.text(item) for item in items(node)]
    if isinstance(node, ScalarNode):
        words = shlex.split(conversion.text(node)) if _has_no_quotes(conversion.text(node)) else []
    if words:
        conversion.keys["entrypoint"] = (words[0],)
        conversion.changed("entrypoint", "entrypoint: the first word of the command")
        conversion.keys.pop("command", None)
        if len(words) > 1:
            conversion.keys["command"] = tuple(words[1:])
    else:
        todo = "the image's entrypoint is not used in Compose: write the program to run as `entrypoint`"
        conversion.todo("entrypoint", todo)


def _has_no_quotes(written: str) -> bool:
    try:
        shlex.split(written)
    except ValueError:
        return False
    return "'" not in written and '"' not in written


def environment(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Variables, without those for nginx-proxy."""
    own = conversion.environment(key, node)
    env = conversion.mapping("env") | {
        name: value for name, value in own.items() if name not in _OF_NGINX_PROXY
    }
    if env:
        conversion.keys["env"] = env
    of_proxy = [name for name in _OF_NGINX_PROXY if name in pairs(node)]
    for name in of_proxy:
        if conversion.labelled.routes:
            conversion.changed(f"{key}: {name}", "routes, port and email, as nginx-proxy read it")
        else:
            conversion.left_out(f"{key}: {name}", "FTL has its own proxy")
    if len(of_proxy) < len(pairs(node)) or not of_proxy:
        conversion.changed(key, "env")


def env_file(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Env files that exist; a dependency gets their variables one by one."""
    kept: list[str] = []
    several = len(items(node)) > 1
    for index, item in enumerate(items(node)):
        path = conversion.resolve(text(item) or text(entries(item).get("path"))).removeprefix("./")
        place = f"{key}[{index}]" if several else key
        if not (conversion.context.base / path).is_file():
            required = text(entries(item).get("required")) != "false"
            verdict = Verdict.NEEDS_YOU if required else Verdict.LEFT_OUT
            example = _example(conversion.context.base, path)
            make = f"`cp {example} {path}`, set its values" if example else "write it"
            use = (
                "its variables in `env`, as `NAME: ${NAME}`"
                if conversion.is_dependency
                else f"`env_file: {path}`"
            )
            conversion.add(place, verdict, f"there is no file {path}: {make}, and {use}", item)
        elif conversion.is_dependency:
            _inline(conversion, place, path)
        else:
            kept.append(path)
    if kept:
        conversion.keys["env_file"] = kept[0] if len(kept) == 1 else kept
        raw = any(text(entries(item).get("format")) == "raw" for item in items(node))
        quotes = "by Compose's rules, not raw: put values with `#`, quotes or `${` into single quotes"
        conversion.add(key, Verdict.NEEDS_YOU if raw else Verdict.TAKEN, quotes if raw else "")


def _example(base: Path, path: str) -> str | None:
    """An example of an env file, as repositories have it in place of one with secrets."""
    folder, _, name = path.rpartition("/")
    bare = name.removeprefix(".")
    names = [f"{name}.{end}" for end in ("example", "sample", "template", "dist")]
    names += [f"example.{bare}", f"{bare}.example", f"{bare}.sample", f"sample.{bare}"]
    below = f"{folder}/" if folder else ""
    return next((f"{below}{each}" for each in names if (base / below / each).is_file()), None)


def _inline(conversion: ComposeConversion, key: str, path: str) -> None:
    """An env file of a dependency: its variables by name, since dependencies have no such key.

    Their values are secrets mostly, and go into a new .env.
    """
    base, given = conversion.context.base, conversion.context.texts.variables
    written = AppFolder(base).read(path)
    names = re.findall(r"^[ \t]*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", written, re.MULTILINE)
    values = {} if path == ".env" else values_in(base, path)
    env = {
        name: (f"${{{name}}}" if name in given else f"${{{name}:-}}")
        if name in values
        else conversion.convert(f"${{{name}}}")
        for name in names
    }
    conversion.keys["env"] = env | conversion.mapping("env")
    if path == ".env":
        conversion.changed(key, "env, with the variables of .env")
    elif conversion.draft.copy_values(values, base, given):
        conversion.changed(key, f"env, with the values of {path} in .env, which only you can read")
    else:
        conversion.todo(key, f"copy the variables of {path} to .env: `cat {path} >> .env`")
