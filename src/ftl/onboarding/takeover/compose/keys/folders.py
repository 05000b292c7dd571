"""Folders of this machine that a Compose service mounts: source, settings or data."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.keys.text_files import has_texts
from ftl.onboarding.takeover.nodes import entries, text
from ftl.onboarding.takeover.paths import is_folder
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion
    from ftl.onboarding.takeover.compose.mounts import ComposeMount

_OF_SETTINGS = re.compile(r"^/etc/|/docker-entrypoint-initdb\.d\b|conf|provision|setting", re.IGNORECASE)
"""Paths in a container below which there are settings."""

_OF_DATA = re.compile(
    r"(^|[/._-])(data|uploads?|media|storage|logs?|backups?|cache|volumes?)([/._-]|$)", re.IGNORECASE
)
"""Folders that are data although the app is built from the folder above."""


def is_source(conversion: ComposeConversion, source: str) -> bool:
    """Whether a mounted folder is what the service is built from, and so in its image."""
    build = conversion.node.get("build")
    if build is None:
        return False
    base = conversion.context.base
    context = conversion.resolve(text(build) or text(entries(build).get("context"))) or "."
    if "://" in context:
        return True
    folder, mounted = (base / context).resolve(), (base / source).resolve()
    if folder.is_relative_to(mounted):
        return True
    return mounted.is_relative_to(folder) and is_folder(mounted) and not _OF_DATA.search(source)


def has_settings(conversion: ComposeConversion, mount: ComposeMount) -> bool:
    """Whether a mount is a folder of settings that the app only reads, all of them texts.

    Files are new at each deploy: a folder in which the app may write is a volume.
    """
    source, base = mount.source, conversion.context.base
    if mount.kind != "bind" or not source.startswith(".") or not _OF_SETTINGS.search(mount.target):
        return False
    if is_source(conversion, source) or base.resolve().is_relative_to((base / source).resolve()):
        return False
    return is_only_read(conversion, mount) and has_texts(base / source, base)


def is_only_read(conversion: ComposeConversion, mount: ComposeMount) -> bool:
    """Whether the app writes nothing in a mount: it cannot, or its image is known not to."""
    image = conversion.context.images.get(conversion.source, "")
    return mount.read_only or images.only_reads(image, mount.target)


def as_volume(conversion: ComposeConversion, place: str, source: str, target: str, item: Node) -> str:
    """A volume in place of a folder with data; services that mount one folder share it."""
    context = conversion.context
    path = os.path.normpath(source)
    if path not in context.folders:
        taken = {*context.volumes, *context.folders.values()}
        name = re.sub(r"[^a-zA-Z0-9_.-]+", "-", path).strip("-.") or "data"
        context.folders[path] = name if name not in taken else f"{name}-folder"
    volume = context.folders[path]
    folder = context.base / source
    if _has_files(folder):
        todo = (
            f"the volume {volume} is empty at first: copy the files of {source} into it before the app starts"
        )
        conversion.add(place, Verdict.NEEDS_YOU, todo, item)
    else:
        conversion.add(
            place,
            Verdict.CHANGED,
            f"the volume {volume}; data that a server has in {source} stays there",
            item,
        )
    return f"{volume}:{target}"


def _has_files(folder: Path) -> bool:
    """Whether a folder has files; one that its database lets nobody read has."""
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError:
        return True
