"""Capabilities of a server other than its engine: tools, free disk space, and cached layers."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.common.programs import shell
from ftl.dataclass import dataclass
from ftl.errors import FtlError
from ftl.image.transfer.remote.scripts import PROBE, REMOVE_UNUSED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.values import Store
    from ftl.ssh.machine import Machine

_PROBE_SECONDS = 20.0

_DELTA_MEMORY = 128 << 20
"""Bytes of memory that must be free before deltas are applied there: one window takes 15 MB."""

_CACHE_LIMIT = 1 << 30
_CACHE_SHARE = 0.1
"""Layers are cached up to this many bytes, and up to this share of the free disk space."""

_DELTA_SPACE = 5
"""Factor by which free disk space must exceed the base layer: it is unpacked, with a new one of about its size
that the engine may store twice on the same disk, and the copies of that, of which the smaller one is cached."""

_PERL_SUM = str(int.from_bytes(b"abcdefgh", "little"))

_LAYER = re.compile(r"([0-9a-f]{64})-(0|[1-9][0-9]{0,14}) ([0-9]{1,15})")
_NUMBER = re.compile(r"[0-9]{1,15}")

_NO_LAYERS: Mapping[str, CachedLayer] = {}


@dataclass(frozen=True, slots=True)
class CachedLayer:
    """A layer in the server's cache, where it is compressed; `size` is its tar's, in bytes.

    The compressed size is about what it would take to send the layer.
    """

    diff_id: str
    size: int
    compressed_size: int

    @property
    def name(self) -> str:
        """The layer's file name in the cache."""
        return cache_name(self.diff_id, self.size)


def cache_name(diff_id: str, size: int) -> str:
    """The file name of a layer in the cache: its digest and the size of its tar."""
    return f"{diff_id.removeprefix('sha256:')}-{size}"


@dataclass(frozen=True, slots=True)
class RemoteCapabilities:
    """Capabilities of a server, as found by the probe.

    Attributes:
        can_receive: The tools of the receiving script are there.
        free_for_images: Bytes free where the engine keeps its images; None if unknown.
        free_for_cache: Bytes free where layers are cached.
        cache_limit: How many bytes of layers may be cached.
        round_trip: Seconds that the probe spent on the network.
    """

    can_receive: bool = False
    can_apply_deltas: bool = False
    can_describe: bool = False
    free_for_images: int | None = None
    free_for_cache: int = 0
    cache_limit: int = 0
    cached: Mapping[str, CachedLayer] = field(default_factory=lambda: _NO_LAYERS)
    round_trip: float = 0.0

    def delta_bases(self) -> dict[str, CachedLayer]:
        """The cached layers that can be the base of a delta: there is disk space to unpack them."""
        return {
            diff_id: layer
            for diff_id, layer in self.cached.items()
            if self.can_apply_deltas and _DELTA_SPACE * layer.size <= self.free_for_cache
        }

    def without_cache(self) -> RemoteCapabilities:
        """This server with an empty cache: for a transfer that relies on nothing."""
        return replace(self, cached=_NO_LAYERS)


async def probe_server(machine: Machine, root: str, store: Store) -> RemoteCapabilities:
    """Find out a server's capabilities in one round trip. One that cannot answer has none.

    `root` is the root folder of its engine.

    Raises:
        ServerError: The server cannot be reached.
    """
    began = time.monotonic()
    done = await machine.run(shell(PROBE, "sh", root, store), timeout=_PROBE_SECONDS)
    return parse_probe(done.text, time.monotonic() - began)


async def remove_unused_layers(machine: Machine) -> None:
    """Have a server remove the cached layers that no image has any more.

    It goes on in the background there, and a failure costs only disk space.
    """
    if machine.engine_socket:
        with suppress(FtlError):
            await machine.run(
                shell(REMOVE_UNUSED, "ftl-unused-layers", machine.engine_socket), timeout=_PROBE_SECONDS
            )


def parse_probe(output: str, seconds: float = 0.0) -> RemoteCapabilities:
    """Parse the probe's output; other lines (a login shell's greeting) are ignored.

    `seconds` is how long it took, with the network.
    """
    values: dict[str, str] = {}
    cached: dict[str, CachedLayer] = {}
    for line in output.splitlines():
        key, _, value = line.partition(" ")
        if key == "layer":
            if match := _LAYER.fullmatch(value):
                layer = CachedLayer(f"sha256:{match[1]}", int(match[2]), int(match[3]))
                cached[layer.diff_id] = layer
        else:
            values[key] = value
    can_receive = bool(values.get("zstd") and values.get("docker")) and values.get("exact") == "cd"
    free_for_cache = _kilobytes(values, "cache") or 0
    can_describe = can_receive and values.get("perl") == _PERL_SUM
    return RemoteCapabilities(
        can_receive=can_receive,
        can_describe=can_describe,
        can_apply_deltas=can_describe and (_kilobytes(values, "memory") or 0) >= _DELTA_MEMORY,
        free_for_images=_kilobytes(values, "images"),
        free_for_cache=free_for_cache,
        cache_limit=min(_CACHE_LIMIT, int(_CACHE_SHARE * free_for_cache)),
        cached=cached if can_receive else _NO_LAYERS,
        round_trip=max(0.0, seconds - (_number(values, "took") or 0) / 1e9),
    )


def _kilobytes(values: Mapping[str, str], key: str) -> int | None:
    number = _number(values, key)
    return number if number is None else number * 1024


def _number(values: Mapping[str, str], key: str) -> int | None:
    match = _NUMBER.fullmatch(values.get(key, ""))
    return int(match[0]) if match else None
