"""Mounts of Compose in the short and the long form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ftl.config.yaml.tree import MappingNode
from ftl.dataclass import dataclass
from ftl.onboarding.takeover.compose.number_forms import file_mode, tmpfs_size
from ftl.onboarding.takeover.nodes import entries, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.config.yaml.tree import Node

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
        settings = ",".join(f"{name}={_setting(name, value, resolve(text(value)))}" for name, value in tmpfs)
        read_only = long.get("read_only") == "true"
        return ComposeMount(
            kind, source, long.get("target", ""), read_only, dropped, f":{settings}" if settings else ""
        )
    written = resolve(text(item))
    if windows := re.match(r"([A-Za-z]:[\\/][^:]*):([^:]+)", written):
        return ComposeMount("bind", windows[1], windows[2])
    parts = written.split(":")
    if len(parts) == 1:
        return ComposeMount("anonymous", "", parts[0])
    source, target = parts[0], parts[1]
    options = parts[2].split(",") if len(parts) > 2 else []
    dropped = ", ".join(option for option in options if option not in ("ro", "rw"))
    return ComposeMount(
        "bind" if re.match(r"[./~]", source) else "volume", source, target, "ro" in options, dropped
    )


def _setting(name: str, node: Node, written: str) -> str:
    """A setting of a tmpfs as the kernel takes it."""
    if name == "mode":
        return (file_mode(node, written) or written).lstrip("0") or "0"
    return tmpfs_size(written) if name == "size" else written
