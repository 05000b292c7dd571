"""Whether two engines hold the same image, although their stores give it different IDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.values import Image


def is_same_image(one: Image, other: Image) -> bool:
    """The same layers, configuration and platform: a container cannot tell them apart.

    An image ID is the digest of the config on graph drivers and that of the manifest on the containerd
    store, so equal IDs say "is_same_image", but unequal ones say nothing.
    """
    return one.id == other.id or (
        one.layers == other.layers
        and one.platform == other.platform
        and _written(one.config) == _written(other.config)
    )


def _written(config: Mapping[str, object]) -> dict[str, object]:
    """What a configuration says: engines differ in which empty fields they spell out."""
    return {key: value for key, value in config.items() if value}
