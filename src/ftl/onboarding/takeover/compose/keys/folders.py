"""Folders of this machine that a Compose service mounts: source, settings or data."""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from ftl.image.building.diagnosis.cache_miss import context_sources
from ftl.image.building.inputs.dockerfile import parse
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.ignored import excluding_file
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.keys.text_files import answered, has_texts
from ftl.onboarding.takeover.nodes import entries, text

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.yaml.tree import Node
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion
    from ftl.onboarding.takeover.compose.mounts import ComposeMount


_OF_SETTINGS = re.compile(r"^/etc/|/docker-entrypoint-initdb\.d\b|conf|provision|setting", re.IGNORECASE)
"""Paths in a container below which there are settings."""

_OF_DATA = re.compile(
    r"(^|[/._-])(data|uploads?|media|storage|logs?|backups?|cache|volumes?)([/._-]|$)", re.IGNORECASE
)
"""Folders that are data although the app is built from the folder above."""


def is_source(conversion: ComposeConversion, mount: ComposeMount) -> bool:
    """Whether a mounted folder is in the image of the service's build, at the same path."""
    context = build_folder(conversion)
    if context is None:
        return conversion.node.get("build") is not None  # of a repository
    folder, mounted = context.resolve(), (conversion.context.base / mount.source).resolve()
    if not mounted.is_relative_to(folder):
        return folder.is_relative_to(mounted)
    if mounted != folder and _OF_DATA.search(mount.source):
        return False
    name = mounted.relative_to(folder).as_posix()
    if _excluded_by(conversion, context, name):
        return False
    copied = has_copied(*_dockerfile(conversion, context), name, mount.target.rstrip("/"))
    return copied if copied is not None else mounted == folder or answered(mounted.is_dir)


def missing_source(conversion: ComposeConversion, mount: ComposeMount) -> str | None:
    """A thing to do about a folder of the context that the image has not where it is mounted."""
    context = build_folder(conversion)
    mounted = (conversion.context.base / mount.source).resolve()
    if context is None or not mounted.is_relative_to(context.resolve()) or _OF_DATA.search(mount.source):
        return None
    if not answered(mounted.is_dir) or mount.read_only:
        return None
    name = mounted.relative_to(context.resolve()).as_posix()
    how = f"write `{copy_line(name, mount.target)}` into its Dockerfile"
    if ignore := _excluded_by(conversion, context, name):
        how = f"{ignore} excludes them: take them out of it, and {how} if no line copies them"
    volume = f"{service_name(mounted.name)}:{mount.target}"
    how += "" if name == "." else f"; if they are data, write the volume `{volume}`"
    return f"the image has not the files of {mount.source} there: {how}"


def copy_line(source: str, target: str) -> str:
    """A COPY, as a list where a path has spaces."""
    if re.search(r"\s", source + target):
        return f"COPY {json.dumps([source, target], ensure_ascii=False)}"
    return f"COPY {source} {target}"


def _excluded_by(conversion: ComposeConversion, context: Path, name: str) -> str | None:
    """Name of the ignore file because of which a folder of the context is in no image."""
    written = text(entries(conversion.node.get("build")).get("dockerfile"))
    dockerfile = conversion.resolve(written) or "Dockerfile"
    return None if name == "." else excluding_file(context, name, dockerfile)


def build_folder(conversion: ComposeConversion) -> Path | None:
    """The folder that the service is built from, if it is one of this machine."""
    build = conversion.node.get("build")
    written = conversion.resolve(text(build) or text(entries(build).get("context"))) or "."
    return None if build is None or "://" in written else conversion.context.base / written


def _dockerfile(conversion: ComposeConversion, context: Path) -> tuple[Dockerfile, str | None]:
    options = entries(conversion.node.get("build"))
    written = conversion.resolve(text(options.get("dockerfile_inline")))
    name = conversion.resolve(text(options.get("dockerfile"))) or "Dockerfile"
    target = conversion.resolve(text(options.get("target"))) or None
    return parse(written or AppFolder(context).read(name)), target


def has_settings(conversion: ComposeConversion, mount: ComposeMount) -> bool:
    """Whether a mount is a folder of settings that the app only reads, all of them texts.

    Files are new at each deploy: a folder in which the app may write is a volume.
    """
    source, base = mount.source, conversion.context.base
    if mount.kind != "bind" or not source.startswith(".") or not _OF_SETTINGS.search(mount.target):
        return False
    if is_source(conversion, mount) or base.resolve().is_relative_to((base / source).resolve()):
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
        copied = f"docker run --rm -i -v {conversion.draft.name}_{volume}:/to busybox tar -C /to -x"
        todo = f"the volume {volume} is empty at first: copy the files of {source} into it before the app starts, as "
        todo += f"with `tar -C {shlex.quote(source)} -c . | ssh SERVER {copied}`"
        conversion.todo(place, todo, item)
    else:
        conversion.changed(
            place, f"the volume {volume}; data that a server has in {source} stays there", item
        )
    return f"{volume}:{target}"


def _has_files(folder: Path) -> bool:
    """Whether a folder has files; one that its database lets nobody read has."""
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError:
        return True


def has_copied(dockerfile: Dockerfile, target: str | None, folder: str, path: str) -> bool | None:
    """Whether an image has a folder of its context at a path; None if the lines do not tell.

    `folder` is relative to the context, and `.` is all of it.
    """
    if not dockerfile.stages:
        return None
    workdir: str | None = None
    unclear = False
    for step in dockerfile.image_instructions(target):
        if step.keyword == "WORKDIR":
            workdir = posixpath.join(workdir or "", step.arguments.strip("\"'"))
        if step.keyword not in ("COPY", "ADD"):
            continue
        to = posixpath.join(workdir or "", _destination(step))
        if "$" in to or not to.startswith("/"):
            return None  # by a variable, or below the folder of an image that is not here
        for source in context_sources(step):
            place = _place(source, folder, posixpath.normpath(to))
            if place == path:
                return True
            unclear |= place is None
        is_elsewhere = any(flag.startswith("--from=") for flag in step.flags)
        unclear |= is_elsewhere and _overlap(posixpath.normpath(to), path)  # as another stage has it
    return None if unclear else False


def _destination(step: Instruction) -> str:
    words = step.arguments.split()
    return words[-1].strip('"]') if words else ""


def _place(source: str, folder: str, to: str) -> str | None:
    """Path to which a COPY brings a folder: empty for none, None for a part of it or a pattern."""
    source = posixpath.normpath(source.strip("/") or ".")
    if any(letter in source for letter in "*?[$"):
        return None
    if source in (".", folder):
        return posixpath.normpath(posixpath.join(to, "." if source == folder else folder))
    if folder.startswith(f"{source}/"):
        return posixpath.join(to, folder.removeprefix(f"{source}/"))
    return None if folder == "." or source.startswith(f"{folder}/") else ""


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/") or "/" in (one, other)
