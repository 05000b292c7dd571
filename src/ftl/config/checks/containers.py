"""Mounts, files, labels and limits of containers."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftl.config.values.bindings import parse_volume
from ftl.config.values.container import parse_tmpfs
from ftl.databases import unused_mount

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.models.project import Dependency, Service
    from ftl.config.yaml.locations import KeyPath, Location


def mounts(checks: Checks, item: Service | Dependency, path: KeyPath) -> None:
    """No two volumes are mounted at one path, and none where the image's version keeps no data."""
    taken: set[str] = set()
    for index, text in enumerate(item.volumes):
        target = parse_volume(text).target.rstrip("/")
        if target in taken:
            message = f"volumes: {target} is given twice"
            checks.report((*path, "volumes", index), message, "mount one volume there")
        taken.add(target)
    if item.image is None or item.build is not None:
        return
    unused = unused_mount(item.image, item.env, taken)
    if unused is not None:
        wrong, right = unused
        targets = [parse_volume(text).target.rstrip("/") for text in item.volumes]
        message = f"volumes: {item.image} keeps no data at {wrong}"
        checks.report((*path, "volumes", targets.index(wrong)), message, f"mount the volume at {right}")


def container(checks: Checks, item: Service | Dependency, path: KeyPath) -> None:
    """Files can be seen, labels are not FTL's, and no soft limit is above its hard limit."""
    _files_below_mounts(checks, item, path)
    for name in item.labels:
        if name.startswith("ftl."):
            hint = "other names are free, such as com.example.team"
            checks.report((*path, "labels", name), f"labels: {name} is reserved for FTL", hint)
    for index, limit in enumerate(item.container.ulimits):
        limit_path = (*path, "container", "ulimits", index)
        is_above = limit.hard != -1 and (limit.soft > limit.hard or limit.soft == -1)
        if is_above and checks.is_given(*limit_path, "hard"):
            checks.report((*limit_path, "soft"), f"soft: {limit.soft} is more than hard: {limit.hard}")


def _files_below_mounts(checks: Checks, item: Service | Dependency, path: KeyPath) -> None:
    """No file is written twice or below a volume; one below a tmpfs or in a read-only container has a folder.

    A volume is mounted already while the file is written (measured: Docker 20.10): the release that still runs would
    see it, and it would outlive its release. A tmpfs is mounted at the start, over the file, and the engine writes
    nothing into a container that is read only: there the file's folder is a mount (`ftl.engine.calls.body`).
    """
    mounts = {_as_folder(parse_tmpfs(text)[0]): ("tmpfs", index) for index, text in enumerate(item.tmpfs)}
    mounts |= {
        _as_folder(parse_volume(text).target): ("volumes", index) for index, text in enumerate(item.volumes)
    }
    taken: dict[str, Location] = {}
    for index, file in enumerate(item.files):
        location = checks.location(*path, "files", index, "path")
        full = posixpath.normpath(file.path)
        if file.path and full in taken:
            first = taken[full].seen_from(location)
            checks.report(location, f"files: {full} is given twice; first at {first}", "keep one of the two")
        taken[full] = location
        above = [target for target in mounts if _as_folder(full).startswith(target)]
        target = max(above, key=len, default="")
        kind = mounts[target][0] if target else "read_only" if item.read_only else ""
        place = checks.location(*path, *(mounts[target] if target else ("read_only",))).seen_from(location)
        folder = posixpath.dirname(full)
        if kind == "volumes":
            message = (
                f"the file {file.path} would be written into the volume at {place}, and outlive its release"
            )
            checks.report(location, message, f"write it to a path outside of {target.rstrip('/') or '/'}")
        elif kind and (folder.count("/") < 2 or _as_folder(folder) == target):
            message = (
                f"the file {file.path} would be hidden by the tmpfs at {place}"
                if kind == "tmpfs"
                else f"the file {file.path} cannot be written into a container that is read_only"
            )
            below = "/run/secrets" if target in ("", "/", "/run/") else f"{target}ftl"
            hint = f"its folder must be a separate mount: write it to {below}/{posixpath.basename(full)}"
            checks.report(location, message, hint)


def _as_folder(path: str) -> str:
    return path.rstrip("/") + "/"
