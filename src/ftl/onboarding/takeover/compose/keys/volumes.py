"""Mounts of a Compose service: volumes, folders of the server, tmpfs."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.compose.keys import folders
from ftl.onboarding.takeover.compose.keys.text_files import add_file, answered, is_text
from ftl.onboarding.takeover.compose.mounts import parse_mount
from ftl.onboarding.takeover.draft import add_items
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion
    from ftl.onboarding.takeover.compose.mounts import ComposeMount


def volumes(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Mounts; of several at one path the last one counts."""
    by_target: dict[str, str] = {}
    bound: dict[str, tuple[ComposeMount, Node]] = {}
    for index, item in enumerate(items(node)):
        mount = parse_mount(item, conversion.resolve)
        verdict, what = _verdict(conversion, mount)
        place = f"{key}[{index}]"
        if _is_text_file(conversion, mount) or folders.has_settings(conversion, mount):
            bound[place] = (mount, item)
            continue
        conversion.add(place, verdict, what, item)
        if missing := _missing(conversion, item) if mount.source and mount.target else []:
            again = "set it in .env before, and `ftl init --from` again"
            todo = f"{' and '.join(missing)} is not set, and so it mounts {mount.source}: {again}"
            conversion.add(place, Verdict.NEEDS_YOU, todo, item)
        if verdict is Verdict.TAKEN:
            by_target[mount.target.rstrip("/")] = mount.item
        elif what == "volumes":
            by_target[mount.target.rstrip("/")] = folders.as_volume(
                conversion, place, mount.source, mount.target, item
            )
        elif verdict is Verdict.CHANGED:
            add_items(conversion.keys, "tmpfs", f"{mount.target}{mount.options}")
    if by_target:
        conversion.keys["volumes"] = list(by_target.values())
    for place, (mount, item) in bound.items():
        path = conversion.context.base / mount.source
        is_program = path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)
        source = mount.source.removeprefix("./").rstrip("/")
        how = {"source": source, **({"mode": "0755"} if is_program else {})}
        is_read = is_program or folders.is_only_read(conversion, mount)
        lost = (
            f"the app's own changes of {mount.target} are lost at each deploy: if it makes some, use a volume"
        )
        add_file(conversion, place, mount.target.rstrip("/"), how, item, todo="" if is_read else lost)


def _missing(conversion: ComposeConversion, item: Node) -> list[str]:
    """Variables of a mount that are empty."""
    return conversion.context.texts.missing(text(item) or text(entries(item).get("source")))


def _is_text_file(conversion: ComposeConversion, mount: ComposeMount) -> bool:
    """Whether a mount is a text file of the project."""
    local = mount.kind == "bind" and mount.source.startswith(".") and bool(mount.target)
    return local and is_text(conversion.context.base / mount.source)


def _verdict(conversion: ComposeConversion, mount: ComposeMount) -> tuple[Verdict, str]:
    if not mount.target:
        return Verdict.NEEDS_YOU, "it has no target"
    if mount.kind in ("volume", "bind") and not mount.source:
        how = f"set it in .env before, or write a volume: `{conversion.name}-data:{mount.target}`"
        return Verdict.NEEDS_YOU, f"what it mounts is empty, since a variable in it is not set: {how}"
    match mount.kind:
        case "volume" if re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", mount.source):
            return Verdict.TAKEN, f"without {mount.dropped}" if mount.dropped else ""
        case "anonymous":
            return Verdict.LEFT_OUT, f"{mount.target} has no name, and so is gone with the container"
        case "subpath":
            return Verdict.NEEDS_YOU, f"FTL mounts whole volumes: mount {mount.source} above {mount.target}"
        case "tmpfs":
            return Verdict.CHANGED, "tmpfs"
        case "bind" if mount.source.startswith("/"):
            if mount.source.endswith("docker.sock"):
                return Verdict.TAKEN, "the container controls the server's engine"
            without = f", without {mount.dropped}" if mount.dropped else ""
            return Verdict.TAKEN, f"a path of the server: its files must exist there{without}"
        case "bind" if mount.source.startswith("~"):
            todo = f"write {mount.source} as a path of the server: `/home/USER/...:{mount.target}`"
            return Verdict.NEEDS_YOU, todo
        case "bind" if re.match(r"[A-Za-z]:[\\/]", mount.source):
            todo = f"write a path of the server in place of the folder of Windows: `/srv/...:{mount.target}`"
            return Verdict.NEEDS_YOU, todo
        case "bind":
            return _local(conversion, mount)
    return (
        Verdict.NEEDS_YOU,
        f"FTL has no mounts of the kind {mount.kind}: write a volume or a folder of the server",
    )


def _local(conversion: ComposeConversion, mount: ComposeMount) -> tuple[Verdict, str]:
    """A file or folder of the project, which is not on the server."""
    path = conversion.context.base / mount.source
    if folders.is_source(conversion, mount):
        return Verdict.LEFT_OUT, f"for development: the image has the files of {mount.source}"
    if todo := folders.missing_source(conversion, mount):
        return Verdict.NEEDS_YOU, todo
    if path.resolve() == conversion.context.base.resolve():
        todo = "build it into an image (`build: .`; `ftl init` without --from writes a Dockerfile)"
        return Verdict.NEEDS_YOU, f"the container runs the files of this folder: {todo}"
    if (
        not answered(path.exists, closed=True)
        and path.suffix
        and not path.name.startswith(".")
        and not mount.target.endswith("/")
    ):
        return (
            Verdict.NEEDS_YOU,
            f"there is no file {mount.source}: write it, and `files: {{{mount.target}: ...}}`",
        )
    if answered(path.is_file) or mount.read_only:
        copied = f"build {mount.source} into an image (`{folders.copy_line(mount.source, mount.target)}`)"
        return Verdict.NEEDS_YOU, f"{copied}, or copy it to the server and mount it from there"
    return Verdict.CHANGED, "volumes"
