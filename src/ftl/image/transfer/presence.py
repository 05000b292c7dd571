"""Decide which images and layers a server already has.

A layer is named by its diffID, the digest of its uncompressed tar. Whether it is present depends on the image store:

- overlay2 (and every graph driver) knows a layer by its *chainID*, its diffID with everything below it: the
  same diff on another base is another layer. `docker load` looks the chainID up before it opens the layer's
  file (moby image/tarexport/load.go, from Docker 1.10 to 28), so the file of a present layer may be missing.
- the containerd store knows blobs. FTL sends layers as uncompressed blobs, whose digest is the diffID; so the
  layers of images that FTL loaded are present under that name, wherever they lie in an image. Those of pulled
  images are compressed blobs of another digest: they do not count.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.common.json_fields import as_object
from ftl.common.references import repository
from ftl.dataclass import dataclass
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image, Store

_INSPECTED = 256
"""Number of inspected images, the likeliest first: a server with more has them from other sources than deploys."""


def is_same_image(a: Image, b: Image) -> bool:
    """Whether two images have the same layers, configuration and platform.

    A container cannot tell them apart. An image ID is the digest of the config on graph drivers and that of the
    manifest on the containerd store, so equal IDs mean the same image, but different ones mean nothing.
    """
    return a.id == b.id or (
        a.layers == b.layers
        and a.platform == b.platform
        and _without_empty_fields(a.config) == _without_empty_fields(b.config)
    )


def _without_empty_fields(config: Mapping[str, object]) -> dict[str, object]:
    """Engines differ in which empty fields of a configuration they spell out."""
    return {key: value for key, value in config.items() if value}


def chain_ids(layers: Sequence[str]) -> tuple[str, ...]:
    """The chainID of each layer, lowest first (OCI image spec, "Layer ChainID")."""
    chains: list[str] = []
    for diff_id in layers:
        parent = f"{chains[-1]} {diff_id}" if chains else None
        chains.append(f"sha256:{hashlib.sha256(parent.encode()).hexdigest()}" if parent else diff_id)
    return tuple(chains)


def estimated_sizes(layers: Sequence[str], step_sizes: Sequence[int]) -> dict[str, int]:
    """Estimate the size of each layer in bytes: for a display, and for a choice.

    Args:
        layers: diffIDs, lowest first.
        step_sizes: Sizes of the build's steps, lowest first, as the engine reports them: 0 for a step that made no
            layer, without saying which did. So an empty layer shifts the sizes above it by a place.
    """
    sizes = zip(reversed(layers), reversed([size for size in step_sizes if size]), strict=False)
    return dict.fromkeys(layers, 0) | dict(sizes)


@dataclass(frozen=True, slots=True)
class PresentLayers:
    """The layers that a server has.

    By chainIDs on overlay2, by diffIDs of uncompressed blobs on the containerd store.
    """

    store: Store
    ids: frozenset[str] = frozenset()

    def of(self, layers: Sequence[str]) -> tuple[bool, ...]:
        """For each layer of an image, lowest first: whether it is present."""
        return tuple(layer_id in self.ids for layer_id in self._ids(layers))

    def missing(self, layers: Sequence[str]) -> frozenset[str]:
        """The diffIDs that must be sent for an image to be loaded.

        On overlay2 a diff that is used at two heights is sent if it is missing at either.
        """
        return frozenset(
            diff_id for diff_id, is_present in zip(layers, self.of(layers), strict=True) if not is_present
        )

    def with_images(self, images: Iterable[Sequence[str]]) -> PresentLayers:
        """Add the layers of images."""
        added = {layer_id for layers in images for layer_id in self._ids(layers)}
        return replace(self, ids=self.ids | added)

    def _ids(self, layers: Sequence[str]) -> Sequence[str]:
        return layers if self.store == "containerd" else chain_ids(layers)


@dataclass(frozen=True, slots=True)
class CommonLayers:
    """The layers that each of several servers has; their stores may differ."""

    servers: tuple[PresentLayers, ...]

    @property
    def store(self) -> Store:
        """The store of the first."""
        return self.servers[0].store

    def of(self, layers: Sequence[str]) -> tuple[bool, ...]:
        """For each layer of an image, lowest first: whether it is present on all."""
        return tuple(map(all, zip(*(server.of(layers) for server in self.servers), strict=True)))

    def missing(self, layers: Sequence[str]) -> frozenset[str]:
        """The diffIDs that must be sent for an image to be loaded everywhere."""
        return frozenset[str]().union(*(server.missing(layers) for server in self.servers))

    def with_images(self, images: Iterable[Sequence[str]]) -> CommonLayers:
        """Add the layers of images."""
        added = [*images]
        return CommonLayers(tuple(server.with_images(added) for server in self.servers))


def rank_by_likelihood(images: Iterable[Image], repositories: Iterable[str]) -> list[Image]:
    """Order images by likelihood of shared layers: same repository first, then the newest."""
    ours = set(repositories)
    newest_first = sorted(images, key=lambda image: image.created, reverse=True)
    return sorted(newest_first, key=lambda image: ours.isdisjoint(map(repository, image.tags)))


async def inspect_images(engine: Engine, images: Sequence[Image]) -> list[Image]:
    """Inspect images in parallel; those that have been removed meanwhile are left out."""
    inspected = await gather_all(engine.image(image.id) for image in images[:_INSPECTED])
    return [image for image in inspected if image is not None]


def present_layers(
    store: Store,
    images: Iterable[Image],
    loaded_by_ftl: Mapping[str, bool],
    *,
    cached: Collection[str] = (),
    repositories: Collection[str] = (),
) -> PresentLayers:
    """The layers that a server has, judged by its images.

    `loaded_by_ftl` is image ID there -> whether it was loaded from an archive of FTL's, where that is known. On the
    containerd store an ID is the manifest's digest, and FTL's manifests name uncompressed layers; so this is exact.
    `cached` are the diffIDs of the layers in FTL's cache there, `repositories` those of the images to send.
    """
    if store == "containerd":

        def is_loaded_by_ftl(image: Image) -> bool:
            is_sent = _seems_sent(image, cached, repositories)
            return loaded_by_ftl.get(image.id, is_sent or _seems_built_by_ftl(image))

        images = filter(is_loaded_by_ftl, images)
    return PresentLayers(store).with_images(image.layers for image in images)


# Without a record it cannot be known for sure which images FTL loaded (an engine does not report its blobs' digests),
# hence the verification after a load.


def _seems_built_by_ftl(image: Image) -> bool:
    """Whether FTL built this image, and it has a tag without a registry."""
    is_built = labels.PROJECT in as_object(image.config.get("Labels"))
    return is_built and any("/" not in tag for tag in image.tags)


def _seems_sent(image: Image, cached: Collection[str], repositories: Collection[str]) -> bool:
    """Whether this is an earlier image of those to send, and FTL sent every layer of it."""
    is_earlier = any("/" not in tag and repository(tag) in repositories for tag in image.tags)
    return is_earlier and bool(image.layers) and all(layer in cached for layer in image.layers)
