"""Where layers come from: what every way of getting them out of the engine here offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ftl.image.transfer.save import Layer


class Unfit(Exception):
    """This source cannot serve after all, for the reason it names; another one must."""


class Source(Protocol):
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

    def layers(self, needed: frozenset[str], *, measure: bool) -> AsyncGenerator[Layer, None]:
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
