"""Mounts of a Compose service: volumes, folders of the server, tmpfs."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Literal

from ftl.config.yaml.tree import MappingNode
from ftl.dataclass import dataclass
from ftl.onboarding.takeover.compose.keys import folders
from ftl.onboarding.takeover.compose.keys.text_files import add_file, is_text
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

_LONG_FORM = {"type", "source", "target", "read_only", "consistency"}


@dataclass(frozen=True, slots=True)
class ComposeMount:
    """A mount.

    Attributes:
        kind: volume, bind, tmpfs, anonymous, or another one of the long form.
        dropped: Options that FTL does not have.
        options: Options of a tmpfs, with a colon before.
    """

    kind: Literal["volume", "bind", "tmpfs", "anonymous"] | str
    source: str
    target: str
    read_only: bool = False
    dropped: str = ""
    options: str = ""

    @property
    def item(self) -> str:
        """The mount as an item of `volumes`."""
        return f"{self.source}:{self.target}{':ro' if self.read_only else ''}"


def parse_mount(item: Node, resolve: Callable[[str], str]) -> ComposeMount:
    """A mount in the short or the long form."""
    if isinstance(item, MappingNode):
        long = {key: resolve(text(value)) for key, value in entries(item).items()}
        kind, source = long.get("type", "volume"), long.get("source", "")
        dropped = ", ".join(key for key in long if key not in _LONG_FORM)
        kind = "anonymous" if kind == "volume" and not source else kind
        kind = "subpath" if entries(item.get("volume")).get("subpath") is not None else kind
        tmpfs = entries(item.get("tmpfs")).items()
        settings = ",".join(f"{name}={resolve(text(value))}" for name, value in tmpfs)
        read_only = long.get("read_only") == "true"
        return ComposeMount(
            kind, source, long.get("target", ""), read_only, dropped, f":{settings}" if settings else ""
        )
    parts = resolve(text(item)).split(":")
    if len(parts) == 1:
        return ComposeMount("anonymous", "", parts[0])
    source, target = parts[0], parts[1]
    options = parts[2].split(",") if len(parts) > 2 else []
    dropped = ", ".join(option for option in options if option not in ("ro", "rw"))
    return ComposeMount(
        "bind" if re.match(r"[./~]", source) else "volume", source, target, "ro" in options, dropped
    )


def volumes(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Mounts; of several at one path the last one counts."""
    by_target: dict[str, str] = {}
    bound: dict[str, tuple[ComposeMount, Node]] = {}
    settings: dict[str, tuple[ComposeMount, Node, list[str]]] = {}
    for index, item in enumerate(items(node)):
        mount = parse_mount(item, conversion.resolve)
        verdict, what = _verdict(conversion, mount)
        place = f"{key}[{index}]"
        if _is_text_file(conversion, mount):
            bound[place] = (mount, item)
            continue
        if mount.kind == "bind" and (texts := folders.texts_of(conversion, mount.source, mount.target)):
            settings[place] = (mount, item, texts)
            continue
        conversion.add(place, verdict, what, item)
        if verdict is Verdict.TAKEN:
            by_target[mount.target.rstrip("/")] = mount.item
        elif what == "volumes":
            by_target[mount.target.rstrip("/")] = folders.as_volume(
                conversion, place, mount.source, mount.target, item
            )
        elif verdict is Verdict.CHANGED:
            tmpfs = conversion.keys.get("tmpfs")
            conversion.keys["tmpfs"] = [
                *(tmpfs if isinstance(tmpfs, list) else []),
                f"{mount.target}{mount.options}",
            ]
    if by_target:
        conversion.keys["volumes"] = list(by_target.values())
    for place, (mount, item) in bound.items():
        path = conversion.context.base / mount.source
        mode = {"mode": "0755"} if path.stat().st_mode & stat.S_IXUSR else {}
        how = {"source": mount.source.removeprefix("./"), **mode}
        add_file(conversion, place, mount.target, how, item)
    for place, (mount, item, texts) in settings.items():
        folders.add_texts(conversion, place, mount.source, mount.target, texts, item)


def _is_text_file(conversion: ComposeConversion, mount: ComposeMount) -> bool:
    """Whether a mount is a text file of the project."""
    local = mount.kind == "bind" and mount.source.startswith(".") and bool(mount.target)
    return local and is_text(conversion.context.base / mount.source)


def _verdict(conversion: ComposeConversion, mount: ComposeMount) -> tuple[Verdict, str]:
    if not mount.target:
        return Verdict.NEEDS_YOU, "it has no target"
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
                return Verdict.TAKEN, "the container rules the server's engine"
            return Verdict.TAKEN, "a path of the server: its files must be there"
        case "bind" if mount.source.startswith("~"):
            todo = f"write {mount.source} as a path of the server: `/home/USER/...:{mount.target}`"
            return Verdict.NEEDS_YOU, todo
        case "bind":
            return _local(conversion, mount)
    return Verdict.NEEDS_YOU, f"FTL has no mounts of the kind {mount.kind}"


def _local(conversion: ComposeConversion, mount: ComposeMount) -> tuple[Verdict, str]:
    """A file or folder of the project, which is not on the server."""
    path = conversion.context.base / mount.source
    if folders.is_source(conversion, mount.source):
        return Verdict.LEFT_OUT, f"for development: the image has the files of {mount.source}"
    if path.resolve() == conversion.context.base.resolve():
        todo = "build it into an image (`build: .`; `ftl init` without --from writes a Dockerfile)"
        return Verdict.NEEDS_YOU, f"the container runs the files of this folder: {todo}"
    if not path.exists() and path.suffix and not path.name.startswith(".") and not mount.target.endswith("/"):
        return (
            Verdict.NEEDS_YOU,
            f"there is no file {mount.source}: write it, and `files: {{{mount.target}: ...}}`",
        )
    if path.is_file() or mount.read_only:
        copied = f"build {mount.source} into an image (`COPY {mount.source} {mount.target}`)"
        return Verdict.NEEDS_YOU, f"{copied}, or copy it to the server and mount it from there"
    return Verdict.CHANGED, "volumes"
