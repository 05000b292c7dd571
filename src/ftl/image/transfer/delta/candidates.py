"""Choose base layers for new layers, and estimate whether a delta pays off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ftl.common.references import repository
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.values import Image
    from ftl.image.transfer.remote.capabilities import CachedLayer

MIN_SIZE = 64 << 10
"""Bytes of a layer below which it is sent whole: before a base layer would be unpacked."""

_UNKNOWN_SPEED = 12.5e6
"""The assumed speed of a link, in bytes a second, before anything has been sent over it: 100 Mbit/s."""

_WHOLE_RATIO = 3.5
_WHOLE_SPEED = 300e6
_DELTA_RATIO = 40.0
_DELTA_SPEED = 75e6
_UNPACK_SPEED = 400e6
_START_SECONDS = 0.02
_INDEX_SPEED = 75e6
_INDEX_RATIO = 250
_PATIENCE = 2.5
_NEAR_PATIENCE = 1.0
_NEAR = 0.01
_UNNOTICED_SECONDS = 0.03
"""Whole layers: 3.5 times smaller, at 300 MB a second on two cores.

As a delta: 40 times, at 75 MB a second with both ends on them, once the base layer is unpacked at 400. A delta may take
2.5 times as long, and what nobody notices: it leaves the link to others. Not so next door, at a round trip of less than
10 ms, where bytes are not scarce, and where a busy machine takes its link for a slow one (loopback for one of 4 to 27
MB/s). A layer that only the server has is indexed there, and approximated here, at 75 MB a second; its index is 250
times smaller. Measured by `python -m bench.transfer`.
"""


@dataclass(frozen=True, slots=True)
class BaseCandidate:
    """A base layer for a new layer; no `image`: only the server can describe it."""

    cached: CachedLayer
    image: Image | None


def find_candidates(
    images: Mapping[str, Sequence[str]],
    remote_images: Sequence[Image],
    local_images: Mapping[str, Image],
    cached: Mapping[str, CachedLayer],
    *,
    can_describe: bool = False,
) -> dict[str, BaseCandidate]:
    """Find the base layer of each new layer that has one.

    It is the layer in the latest image of the same service that is nearest to the new one's position, of those that
    the new image no longer has: a changed step makes another layer at the same position. Where none of those is cached
    on the server, an earlier image may do. Images that exist locally as well are preferred.

    `images` is the tag to set -> the diffIDs of the image, lowest first; of the server's `remote_images` the likeliest
    come first; `local_images` are by those tags that the server has too; `can_describe`: the server can describe a base
    layer that does not exist locally.
    """
    candidates: dict[str, BaseCandidate] = {}
    for tag, layers in images.items():
        earlier = [image for image in remote_images if repository(tag) in map(repository, image.tags)]
        local = [
            local_images[name]
            for image in earlier
            for name in image.tags
            if name in local_images and local_images[name].layers == image.layers
        ]
        _match(candidates, layers, local, cached, is_local=True)
        if can_describe:
            _match(candidates, layers, earlier, cached, is_local=False)
    return candidates


def _match(
    candidates: dict[str, BaseCandidate],
    layers: Sequence[str],
    earlier: Sequence[Image],
    cached: Mapping[str, CachedLayer],
    *,
    is_local: bool,
) -> None:
    """Add the base layers that earlier images have for an image's new layers."""
    for old in earlier:
        removed = [index for index, layer in enumerate(old.layers) if layer not in layers]
        usable = [index for index in removed if old.layers[index] in cached]
        for index, layer in enumerate(layers):
            if usable and layer not in old.layers:
                nearest = min(usable, key=lambda old_index: abs(old_index - index))
                candidate = BaseCandidate(cached[old.layers[nearest]], old if is_local else None)
                candidates.setdefault(layer, candidate)
        if usable or not removed:
            break


def delta_pays_off(
    size: int,
    cached: CachedLayer,
    speed: float | None,
    preparing: float = 0.0,
    *,
    round_trip: float = math.inf,
) -> bool:
    """Whether a layer should be sent as a delta.

    `size` is in bytes, `speed` in bytes a second, `round_trip` in seconds; `preparing` is the time until the base
    layer's bytes are available locally.
    """
    if size < MIN_SIZE:
        return False
    link = speed or _UNKNOWN_SPEED
    whole = max(size / _WHOLE_SPEED, size / _WHOLE_RATIO / link)
    unpacking = preparing + _START_SECONDS + cached.size / _UNPACK_SPEED
    delta = unpacking + max(size / _DELTA_SPEED, size / _DELTA_RATIO / link)
    patience = _NEAR_PATIENCE if round_trip < _NEAR else _PATIENCE
    return delta <= whole * patience + _UNNOTICED_SECONDS


def index_seconds(cached: CachedLayer, speed: float | None) -> float:
    """Seconds until the server's index of a cached layer is available locally."""
    return cached.size / _INDEX_SPEED + cached.size / _INDEX_RATIO / (speed or _UNKNOWN_SPEED)
