"""Layers: which of an image's layers a server has already.

A layer is named by its diffID, the digest of its uncompressed tar. What counts as "there" depends on the
store:

- overlay2 (and every graph driver) knows a layer by its *chainID*, its diffID with everything below it: the
  same diff on another base is another layer. `docker load` looks the chainID up before it opens the layer's
  file (moby image/tarexport/load.go, from Docker 1.10 to 28), so a file that is not there is not missed.
- the containerd store knows blobs. FTL sends layers as uncompressed blobs, whose digest is the diffID; so the
  layers of images that FTL loaded are there under that name, wherever they lie in an image. Those of pulled
  images are compressed blobs of another digest: they do not count.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.aio import gather_all
from ftl.engine import labels
from ftl.json_fields import as_object
from ftl.references import repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image, Store

_CANDIDATES = 256
"""Images looked at, the likeliest first: a server with more has them from something other than deploys."""


def chain_ids(layers: Sequence[str]) -> tuple[str, ...]:
    """The chainID of each layer, lowest first (OCI image spec, "Layer ChainID")."""
    chains: list[str] = []
    for diff_id in layers:
        above = f"{chains[-1]} {diff_id}" if chains else None
        chains.append(f"sha256:{hashlib.sha256(above.encode()).hexdigest()}" if above else diff_id)
    return tuple(chains)


def estimated_sizes(layers: Sequence[str], steps: Sequence[int]) -> dict[str, int]:
    """About how many bytes each layer has: for a display, and for a choice.

    Args:
        layers: diffIDs, lowest first.
        steps: Sizes of the steps of the build, lowest first, as the engine tells them: 0 for a step that made no
            layer, without saying which did. So an empty layer shifts the sizes above it by a place.
    """
    sized = zip(reversed(layers), reversed([size for size in steps if size]), strict=False)
    return dict.fromkeys(layers, 0) | dict(sized)


@dataclass(frozen=True, slots=True)
class PresentLayers:
    """The layers a server has: chainIDs on overlay2, diffIDs of uncompressed blobs on the containerd store."""

    store: Store
    ids: frozenset[str] = frozenset()

    def of(self, layers: Sequence[str]) -> tuple[bool, ...]:
        """For each layer of an image, lowest first: is it there?"""
        return tuple(name in self.ids for name in self._names(layers))

    def lacks(self, layers: Sequence[str]) -> frozenset[str]:
        """The diffIDs that must be sent for an image to be loaded.

        On overlay2 one diff that is used at two heights is sent if either is missing.
        """
        return frozenset(diff_id for diff_id, there in zip(layers, self.of(layers), strict=True) if not there)

    def adding(self, images: Iterable[Sequence[str]]) -> PresentLayers:
        """The same with the layers of these images."""
        names = {name for layers in images for name in self._names(layers)}
        return replace(self, ids=self.ids | names)

    def _names(self, layers: Sequence[str]) -> Sequence[str]:
        return layers if self.store == "containerd" else chain_ids(layers)


def rank_by_likelihood(images: Iterable[Image], repositories: Iterable[str]) -> list[Image]:
    """Order images by how likely they share layers with ours: same repository, then the newest first."""
    ours = set(repositories)

    def key(image: Image) -> bool:
        return not any(repository(tag) in ours for tag in image.tags)

    return sorted(sorted(images, key=lambda image: image.created, reverse=True), key=key)


async def inspect_images(engine: Engine, images: Sequence[Image]) -> list[Image]:
    """Ask for images in full, side by side; those that are gone meanwhile are left out."""
    found = await gather_all(engine.image(image.id) for image in images[:_CANDIDATES])
    return [image for image in found if image is not None]


def present_layers(store: Store, images: Iterable[Image], loaded_by_ftl: Mapping[str, bool]) -> PresentLayers:
    """What a server has, judged by its images in full.

    Args:
        store: The server's.
        images: Those it has.
        loaded_by_ftl: Image ID there -> whether it was loaded from an archive of FTL's, where that is known. On the
            containerd store an ID is the manifest's digest, and FTL's manifests name uncompressed layers; so this is
            exact.
    """
    if store == "containerd":
        images = [image for image in images if loaded_by_ftl.get(image.id, _seems_loaded_by_ftl(image))]
    return PresentLayers(store).adding(image.layers for image in images)


def _seems_loaded_by_ftl(image: Image) -> bool:
    """Whether FTL brought the image here: built by FTL, and not under a registry's name.

    Without a record it cannot be known for sure (an engine does not tell its blobs' digests), hence the
    verification after a load.
    """
    built = labels.PROJECT in as_object(image.config.get("Labels"))
    return built and any("/" not in tag for tag in image.tags)
