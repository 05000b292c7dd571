"""Mounts of Compose in the short and the long form, with numbers in their forms. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ftl.config.yaml.tree import MappingNode, ScalarNode
from ftl.dataclass import dataclass
from ftl.onboarding.takeover.nodes import entries, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.config.yaml.tree import Node


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def file_mode(node: Node | None, written: str) -> str | None:
    """Permissions as octal digits; None if they are none.

    A number is octal with `0o` or `0` before it, as in YAML 1.2 and 1.1, else decimal; a text in quotes is octal.
    """
    digits = written.strip().lower()
    base = 8 if digits.startswith("0") or not (isinstance(node, ScalarNode) and node.plain) else 10
    try:
        value = int(digits.removeprefix("0o"), base)
    except ValueError:
        return None
    return f"{value:04o}" if 0 <= value <= 0o7777 else None


def tmpfs_size(written: str) -> str:
    """A size as mount(8) takes it: `64mb` becomes `64m`; an unreadable one stays unchanged."""
    match = re.fullmatch(r"(\d+)(\.\d+)?\s*([kmgt]?)(?:i?b)?", written.strip().lower())
    if match is None:
        return written
    if not match[2] and match[3] != "t":
        return f"{match[1]}{match[3]}"
    return str(int(float(f"{match[1]}{match[2] or ''}") * _UNITS[match[3]]))


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
