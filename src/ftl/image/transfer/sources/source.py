"""Interface of all sources of layers, and the values they work with."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

DOCUMENT_LIMIT = 8 << 20
"""The largest config or manifest that is read, in bytes."""

_NO_BLOBS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image to read out of the local engine.

    Attributes:
        reference: What messages call it.
        layers: diffIDs, lowest first.
        blobs: Digest of a blob in the store -> diffID of the layer in it, where that is known.
    """

    reference: str
    config_digest: str
    layers: tuple[str, ...]
    blobs: Mapping[str, str] = field(default_factory=lambda: _NO_BLOBS)


@dataclass(frozen=True, slots=True)
class LayerStream:
    """A layer to read once; `size` is its tar's, in bytes.

    `chunks` are the bytes of its tar; they raise at the end if they do not have the digest.
    """

    diff_id: str
    size: int
    chunks: AsyncIterator[bytes]


class SourceUnusable(Exception):
    """A source turned out not to work, for the reason in the message; use another one."""


class LayerSource(Protocol):
    """A way to get the layers of images out of an engine."""

    @property
    def name(self) -> str:
        """Name in messages and benchmarks: "push" or "save"."""

    @property
    def configs(self) -> Mapping[str, bytes]:
        """Config digest -> document; complete at the end of `layers`."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Sizes of tars in bytes, by diffID: of layers yielded, with `measure_all` of all."""

    def layers(self, needed: frozenset[str], *, measure_all: bool) -> AsyncGenerator[LayerStream, None]:
        """Yield the needed layers (diffIDs), each once, in any order.

        The caller reads all of a layer's chunks before it asks for the next layer. `measure_all` finds out the sizes
        of the images' other layers, too.

        Raises:
            SourceUnusable: Something is missing. A layer's chunks raise it too, at their end, when they do not have
                the layer's digest; the caller must then discard them.
            TransferFailed: No other source would do better.
        """
