"""Servers as destinations of a transfer, and the images that they lack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.image.transfer.presence import CommonLayers, PresentLayers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo, Image
    from ftl.image.transfer.remote.capabilities import RemoteCapabilities
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class PendingImage:
    """An image that must be sent: its tag there, its name here, and the local engine's image."""

    tag: str
    reference: str
    image: Image


@dataclass(frozen=True, slots=True)
class Destination:
    """The server that images are sent to; no `machine`: commands cannot be run there.

    Of `images`, those that are likeliest to share layers with ours come first.
    """

    engine: Engine
    info: EngineInfo
    machine: Machine | None
    capabilities: RemoteCapabilities
    present: PresentLayers | CommonLayers
    images: Sequence[Image]

    @property
    def makes_archive(self) -> bool:
        """Whether the server makes the archive itself, of the parts that it receives."""
        return self.machine is not None and self.capabilities.can_receive

    def as_if_empty(self) -> Destination:
        """This server as if it had no layers."""
        return replace(
            self,
            capabilities=self.capabilities.without_cache(),
            present=PresentLayers(self.present.store),
            images=(),
        )

    @property
    def can_relay(self) -> bool:
        """Whether it can pass an archive on to other servers, or take it from one."""
        return self.makes_archive and self.capabilities.can_describe

    @property
    def name(self) -> str:
        """The server's name in messages."""
        return self.engine.name

    def with_images(self, images: Sequence[PendingImage]) -> Destination:
        """This server once it has images that it lacked."""
        return replace(self, present=self.present.with_images(each.image.layers for each in images))


def combined(destinations: Sequence[Destination]) -> Destination:
    """Several servers as one: the first of them, with the layers and programs that all have.

    What is sent to it serves each of them.
    """
    first = destinations[0]
    all_capabilities = [each.capabilities for each in destinations]
    common = first.capabilities.cached.items()
    cached = {
        diff_id: layer
        for diff_id, layer in common
        if all(each.cached[diff_id].size == layer.size for each in all_capabilities if diff_id in each.cached)
        and all(diff_id in each.cached for each in all_capabilities)
    }
    free = [each.free_for_images for each in all_capabilities if each.free_for_images is not None]
    capabilities = replace(
        first.capabilities,
        can_apply_deltas=all(each.can_apply_deltas for each in all_capabilities),
        free_for_images=min(free, default=None),
        free_for_cache=min(each.free_for_cache for each in all_capabilities),
        cached=cached,
    )
    present = [each.present for each in destinations if isinstance(each.present, PresentLayers)]
    return replace(first, capabilities=capabilities, present=CommonLayers(tuple(present)))
