"""Configs, secrets and bound files of a Compose service: `files` and `secrets` of ftl.yaml."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.read.file_sources import FolderRefused, files_in
from ftl.onboarding.takeover.compose.mounts import file_mode
from ftl.onboarding.takeover.draft import add_items
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

_SECRETS = "/run/secrets"
_TEMPLATE = "Swarm filled its template in, and FTL does not: write the values, or `content` with `${NAME}`"
_READABLE = "0444"
"""Compose's default, for an app that is not root."""


def configs(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Configs by the file, text or variable that the top of the Compose file names for them."""
    for index, item in enumerate(items(node)):
        name = text(item) or text(entries(item).get("source"))
        source = entries(conversion.context.configs.get(name))
        target = conversion.resolve(text(entries(item).get("target"))) or f"/{name}"
        file = conversion.resolve(text(source.get("file"))).removeprefix("./")
        place = f"{key}[{index}]"
        if file:
            permissions = _permissions(conversion, item)
            todo = _TEMPLATE if source.get("template_driver") is not None else ""
            add_file(conversion, place, target, {"source": file, **permissions}, item, todo)
        elif source.get("content") is not None:
            content = {"content": conversion.text(source.get("content"))}
            add_file(conversion, place, target, content | _permissions(conversion, item), item)
        elif variable := text(source.get("environment")):
            content = {"content": conversion.convert(f"${{{variable}}}")}
            add_file(conversion, place, target, content | _permissions(conversion, item), item)
        else:
            todo = f"write its text as one of the `files`: `{{{target}: FILE}}`"
            conversion.todo(place, f"{name} has no file here: {todo}", item)


def secrets(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Secrets by the file or variable that the top of the Compose file names for them."""
    for index, item in enumerate(items(node)):
        name = text(item) or text(entries(item).get("source"))
        place, secret = f"{key}[{index}]", secret_name(name)
        if not _declare(conversion, name, secret):
            todo = f"write it as `{secret}` of the project's `secrets`, and name it here in `secrets`"
            conversion.todo(place, f"{name} has no file here: {todo}", item)
            continue
        target = posixpath.join(_SECRETS, conversion.resolve(text(entries(item).get("target"))) or name)
        permissions = _permissions(conversion, item)
        if conversion.is_dependency:
            content = {"content": f"${{{secret}}}"}
            add_file(conversion, place, target, content | permissions, item)
            continue
        if obstacle := _obstacle(conversion, target):
            todo = f"name {secret} in `secrets` without `file`, for a variable: {target} cannot be a file"
            conversion.todo(place, f"{todo}, {obstacle}", item)
            continue
        add_items(conversion.keys, "secrets", {"name": secret, "file": target, **permissions})
        conversion.changed(place, f"secrets, as the file {target}", item)


def secret_name(name: str) -> str:
    """Name of a secret in ftl.yaml, which is that of a variable."""
    return re.sub(r"[^A-Za-z0-9_]|^(?=[0-9])", "_", name)


def _declare(conversion: ComposeConversion, name: str, secret: str) -> bool:
    """Name a secret's source at the top of ftl.yaml; False where Compose does not say it."""
    context = conversion.context
    source = entries(context.secrets.get(name))
    file, variable = conversion.resolve(text(source.get("file"))), text(source.get("environment"))
    if not file and not variable:
        return False
    path, report = file.removeprefix("./"), context.draft.report
    location = context.secrets[name].location
    if file and not answered((context.base / path).is_file):
        report.todo(f"secrets.{name}", f"there is no file {path}: write it", location)
    elif not file and variable not in context.texts.variables:
        report.todo(f"secrets.{name}", f"set the variable {variable} in .env", location)
    else:
        report.changed(f"secrets.{name}", f"secrets.{secret}", location)
    declared = context.draft.top.setdefault("secrets", {})
    assert isinstance(declared, dict)
    declared[secret] = {"file": path} if file else {"env": variable}
    return True


def _permissions(conversion: ComposeConversion, item: Node) -> dict[str, str]:
    """Permissions and owner: Compose's default where none are written, or none that can be read."""
    long = entries(item)
    mode = file_mode(long.get("mode"), conversion.resolve(text(long.get("mode"))))
    user, group = text(long.get("uid")), text(long.get("gid"))
    owner = {"owner": f"{user or 0}:{group or 0}"} if f"{user}{group}".isdecimal() else {}
    return {"mode": mode if mode and not int(mode, 8) & ~0o777 else _READABLE, **owner}


def add_file(
    conversion: ComposeConversion, place: str, target: str, how: dict[str, str], item: Node, todo: str = ""
) -> None:
    """Add a text file or a folder, unless the container cannot have it; with a thing to do."""
    file, base = how.get("source"), conversion.context.base
    obstacle = _obstacle(conversion, target)
    if file is not None and not (is_text(base / file) or has_texts(base / file, base)):
        todo = f"there is no text file {file}: write it, and `files: {{{target}: {file}}}`"
        conversion.todo(place, todo, item)
    elif obstacle:
        todo = f"build {file or 'it'} into an image (`COPY`): `files` cannot have {target}, {obstacle}"
        conversion.todo(place, todo, item)
    else:
        add_items(conversion.keys, "files", {"path": target, **how})
        verdict = Verdict.NEEDS_YOU if todo else Verdict.CHANGED
        conversion.add(place, verdict, f"files: {todo or 'a changed text is a new configuration'}", item)


def _obstacle(conversion: ComposeConversion, target: str) -> str:
    """Reason why no file can be written at a path, with the mounts that are converted so far."""
    if text(conversion.node.get("read_only")) == "true":
        return "since the container is read_only"
    mounts = conversion.keys.get("volumes"), conversion.keys.get("tmpfs")
    for mount in (str(item) for given in mounts if isinstance(given, list) for item in given):
        folder = mount if mount.startswith("/") and ":/" not in mount else mount.split(":")[1]
        folder = folder.partition(":")[0].rstrip("/")
        if f"{target}/".startswith(f"{folder}/"):
            return f"which is below the mount {folder}"
    return ""


def has_texts(folder: Path, base: Path) -> bool:
    """Whether a path is a folder of text files that ftl.yaml can take."""
    try:
        return answered(folder.is_dir) and all(is_text(folder / name) for name in files_in(folder, base))
    except FolderRefused:
        return False


def answered(question: Callable[[], bool], *, closed: bool = False) -> bool:
    """The answer about a path of this machine; `closed` where another user closed its folder."""
    try:
        return question()
    except OSError:
        return closed


def is_text(path: Path) -> bool:
    """Whether a path is a text file that ftl.yaml can take."""
    try:
        return path.is_file() and "\x00" not in read_small_text(path)
    except (OSError, UnicodeError):
        return False
