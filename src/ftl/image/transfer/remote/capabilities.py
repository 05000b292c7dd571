"""What a server can do for a transfer beside its engine: its tools, its room, and the layers that it has kept."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ftl.image.transfer.remote.scripts import ASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.values import Store
    from ftl.ssh.machine import Machine

_ASK_SECONDS = 20.0

_MEMORY = 128 << 20
"""Bytes that must be free before windows are put together there: one takes 15 MB."""

_KEEP = 1 << 30
_KEEP_SHARE = 0.1
"""Layers are kept up to this many bytes, and to this share of what is free."""

_ROOM = 5
"""So many times the old layer must fit in what is free: it is unpacked, beside a new one of about its size that the
engine may hold twice on the same disk, and the copies of that, of which the smaller one is kept."""

_SUM = str(int.from_bytes(b"abcdefgh", "little"))

_LAYER = re.compile(r"([0-9a-f]{64})-(0|[1-9][0-9]{0,14}) ([0-9]{1,15})")
_NUMBER = re.compile(r"[0-9]{1,15}")

_NONE: Mapping[str, CachedLayer] = {}


@dataclass(frozen=True, slots=True)
class CachedLayer:
    """A layer that the server keeps, compressed.

    Attributes:
        diff_id: "sha256:HEX".
        size: Of its tar, in bytes.
        compressed: What it takes there, and about what sending it would take.
    """

    diff_id: str
    size: int
    compressed: int

    @property
    def name(self) -> str:
        """What the scripts call it."""
        return cache_name(self.diff_id, self.size)


def cache_name(diff_id: str, size: int) -> str:
    """What the scripts call a layer: its size is told by its name."""
    return f"{diff_id.removeprefix('sha256:')}-{size}"


@dataclass(frozen=True, slots=True)
class RemoteCapabilities:
    """A server's answer.

    Attributes:
        receives: It has what the receiving script needs.
        deltas: Windows can be put together there.
        describes: It can tell what a kept layer is like.
        free: Bytes free where the engine keeps its images; None where that is not known.
        room: Bytes free where layers are kept.
        keeps: How many bytes of layers may be kept.
        kept: diffID -> layer.
        round_trip: Seconds that the question was on its way.
    """

    receives: bool = False
    deltas: bool = False
    describes: bool = False
    free: int | None = None
    room: int = 0
    keeps: int = 0
    kept: Mapping[str, CachedLayer] = field(default_factory=lambda: _NONE)
    round_trip: float = 0.0

    def bases(self) -> dict[str, CachedLayer]:
        """The layers that others can be sent as differences to: each is unpacked there, beside what comes."""
        return {
            name: layer
            for name, layer in self.kept.items()
            if self.deltas and _ROOM * layer.size <= self.room
        }

    def without_kept(self) -> RemoteCapabilities:
        """The same server as if it kept nothing: for a transfer that trusts nothing."""
        return replace(self, kept=_NONE)


async def probe_server(machine: Machine, root: str, store: Store) -> RemoteCapabilities:
    """Ask a server, in one round trip. One that cannot answer can do nothing for us.

    Args:
        machine: The server.
        root: The folder of its engine.
        store: Where that has its images.

    Raises:
        ServerError: The server cannot be reached.
    """
    began = time.monotonic()
    done = await machine.run(["sh", "-c", ASK, "sh", root, store], timeout=_ASK_SECONDS)
    return parse_probe(done.stdout.decode("ascii", "replace"), time.monotonic() - began)


def parse_probe(answer: str, round_trip: float = 0.0) -> RemoteCapabilities:
    """Understand what the script said; lines that are not its own are passed over."""
    said: dict[str, str] = {}
    kept: dict[str, CachedLayer] = {}
    for line in answer.splitlines():
        word, _, rest = line.partition(" ")
        if word == "layer":
            layer = _layer(rest)
            if layer is not None:
                kept[layer.diff_id] = layer
        else:
            said[word] = rest
    receives = bool(said.get("zstd") and said.get("docker")) and said.get("exact") == "cd"
    home = _kilobytes(said, "home") or 0
    describes = receives and said.get("perl") == _SUM
    return RemoteCapabilities(
        receives=receives,
        describes=describes,
        deltas=describes and (_kilobytes(said, "memory") or 0) >= _MEMORY,
        free=_kilobytes(said, "images"),
        room=home,
        keeps=min(_KEEP, int(_KEEP_SHARE * home)),
        kept=kept if receives else _NONE,
        round_trip=max(0.0, round_trip - (_number(said, "took") or 0) / 1e9),
    )


def _layer(line: str) -> CachedLayer | None:
    found = _LAYER.fullmatch(line)
    return CachedLayer(f"sha256:{found[1]}", int(found[2]), int(found[3])) if found else None


def _kilobytes(said: Mapping[str, str], key: str) -> int | None:
    found = _number(said, key)
    return found if found is None else found * 1024


def _number(said: Mapping[str, str], key: str) -> int | None:
    found = _NUMBER.fullmatch(said.get(key, ""))
    return int(found[0]) if found else None
