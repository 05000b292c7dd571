"""Where layers come from: what every way of getting them out of the engine here is asked for, and hands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

DOCUMENT_LIMIT = 8 << 20
"""The largest config or manifest that is read, in bytes."""

_EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image to be read out of the engine here.

    Attributes:
        reference: What messages call it.
        config: The digest of its config.
        layers: diffIDs, lowest first.
        blobs: The digest under which the store keeps a layer -> its diffID, where that is known.
    """

    reference: str
    config: str
    layers: tuple[str, ...]
    blobs: Mapping[str, str] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True)
class LayerStream:
    """A layer on its way: `pieces` are the `size` bytes of its tar, and fail at the end if they are not it."""

    diff_id: str
    size: int
    pieces: AsyncIterator[bytes]


class SourceUnusable(Exception):
    """This source cannot serve after all, for the reason it names; another one must."""


class LayerSource(Protocol):
    """A way to get the layers of images out of an engine."""

    @property
    def name(self) -> str:
        """What messages and benchmarks call it: "files", "push", "save"."""

    @property
    def configs(self) -> Mapping[str, bytes]:
        """Config digest -> document; whole once `layers` is through."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Layer by diffID -> bytes of the uncompressed tar: of the layers handed out, with `measure` of all."""

    def layers(self, needed: frozenset[str], *, measure: bool) -> AsyncGenerator[LayerStream, None]:
        """Hand out the needed layers, each once, in any order.

        The caller reads a layer's `pieces` to their end before it asks for the next.

        Args:
            needed: diffIDs.
            measure: Find out the sizes of the images' other layers too.

        Raises:
            Unfit: Something is missing. The pieces of a layer raise it too, at their end, when they are not
                the bytes that its diffID names; whoever read them must throw them away.
            TransferFailed: No other source would do better.
        """
