"""Which old layers new ones are sent as differences to, and whether it pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.references import repository

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.values import Image
    from ftl.image.transfer.remote.capabilities import CachedLayer

LEAST = 64 << 10
"""Bytes of a layer below which it is sent as it is: it is there before an old one is unpacked."""

_UNKNOWN_SPEED = 12.5e6
"""What a link is taken to carry, in bytes a second, before anything has gone over it: 100 Mbit/s."""

_COMPRESSED = 3.5
_COMPRESS = 300e6
_DELTA = 40.0
_WINDOWS = 75e6
_UNPACK = 400e6
_BEGIN = 0.02
_DESCRIBE = 75e6
_DESCRIBED = 250
_SHARE = 2.5
_UNNOTICED = 0.03
"""Whole layers: 3.5 times smaller, at 300 MB a second on two cores. As a difference: 40 times, at 75 MB a second
with both ends on them, once the old layer is unpacked at 400. A difference may take 2.5 times as long, and what nobody
notices: it leaves the link to others. A layer that only the server has is described there, and imagined here, at 75 MB
a second; its description is 250 times smaller. Measured by `python -m bench.transfer`."""


@dataclass(frozen=True, slots=True)
class BaseCandidate:
    """An old layer for a new one.

    Attributes:
        kept: The old one, as the server keeps it.
        image: An image here that has it; None where the server has to say what it is like.
    """

    kept: CachedLayer
    image: Image | None


def find_candidates(
    images: Mapping[str, Sequence[str]],
    there: Sequence[Image],
    here: Mapping[str, Image],
    kept: Mapping[str, CachedLayer],
    *,
    described: bool = False,
) -> dict[str, BaseCandidate]:
    """The old layer for each new one for which there is any.

    It is the layer in the latest image of the same service that stands nearest to the new one's place, of those
    that the new image has no more: a changed step makes another layer at the same place. Where the server keeps none
    of those, an earlier image may do. Images that are here as well come before others.

    Args:
        images: The tag to set -> the diffIDs of the image, lowest first.
        there: The server's images, the likeliest first.
        here: Images on this machine, by those tags that the server has too.
        kept: The layers that the server keeps.
        described: Whether the server can say what an old layer is like that is not here.
    """
    found: dict[str, BaseCandidate] = {}
    for tag, layers in images.items():
        earlier = [image for image in there if _serves(image, tag)]
        ours = [here[name] for image in earlier for name in image.tags if _is_same(here.get(name), image)]
        _match(found, layers, ours, kept, here=True)
        if described:
            _match(found, layers, earlier, kept, here=False)
    return found


def _match(
    found: dict[str, BaseCandidate],
    layers: Sequence[str],
    earlier: Sequence[Image],
    kept: Mapping[str, CachedLayer],
    *,
    here: bool,
) -> None:
    """Add the old layers that earlier images have for an image's new ones."""
    for old in earlier:
        gone = [place for place, layer in enumerate(old.layers) if layer not in layers]
        usable = [place for place in gone if old.layers[place] in kept]
        for place, layer in enumerate(layers):
            if usable and layer not in old.layers:
                nearest = min(usable, key=lambda other: abs(other - place))
                found.setdefault(layer, BaseCandidate(kept[old.layers[nearest]], old if here else None))
        if usable or not gone:
            break


def _serves(image: Image, tag: str) -> bool:
    """Whether an image is one of the same service."""
    return any(repository(name) == repository(tag) for name in image.tags)


def _is_same(ours: Image | None, theirs: Image) -> bool:
    return ours is not None and ours.layers == theirs.layers


def delta_pays_off(size: int, kept: CachedLayer, speed: float | None, preparing: float = 0.0) -> bool:
    """Whether a layer arrives sooner as a difference.

    Args:
        size: The new layer's, in bytes.
        kept: The old layer.
        speed: The link's, in bytes a second.
        preparing: Seconds until the old layer's bytes are at hand here.
    """
    if size < LEAST:
        return False
    link = speed or _UNKNOWN_SPEED
    whole = max(size / _COMPRESS, size / _COMPRESSED / link)
    delta = preparing + _BEGIN + kept.size / _UNPACK + max(size / _WINDOWS, size / _DELTA / link)
    return delta <= whole * _SHARE + _UNNOTICED


def index_seconds(kept: CachedLayer, speed: float | None) -> float:
    """Seconds until it is known here what an old layer is like that only the server has."""
    return kept.size / _DESCRIBE + kept.size / _DESCRIBED / (speed or _UNKNOWN_SPEED)
