"""Several servers as one destination: what all of them have."""

from __future__ import annotations

from ftl.engine.values import Image
from ftl.image.transfer.destination import Destination, PendingImage, combined
from ftl.image.transfer.presence import CommonLayers, PresentLayers, chain_ids
from ftl.image.transfer.remote.capabilities import CachedLayer, RemoteCapabilities
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine

BASE, CODE, OTHER = (f"sha256:{digit * 64}" for digit in "abc")


def cached(layer: str, size: int = 100) -> tuple[str, CachedLayer]:
    """A layer in a server's cache."""
    return layer, CachedLayer(layer, size, size // 2)


def destination(name: str, *layers: str, **capabilities: object) -> Destination:
    """A server that has an image with these layers."""
    present = PresentLayers("overlay2", frozenset(chain_ids(layers)))
    able = RemoteCapabilities(can_receive=True, can_describe=True, **capabilities)  # type: ignore[arg-type]
    return Destination(FakeEngine(name=name), INFO, FakeMachine(name), able, present, ())


def test_what_one_of_them_lacks_is_missing() -> None:
    """Layers by their stores: on overlay2 by what is below them, on the containerd store by their blobs."""
    blobs = PresentLayers("containerd", frozenset({BASE, OTHER}))
    chains = PresentLayers("overlay2", frozenset(chain_ids((BASE, CODE))))
    common = CommonLayers((chains, blobs))
    assert common.store == "overlay2"
    assert common.missing((BASE, CODE, OTHER)) == {CODE, OTHER}
    assert common.of((BASE, CODE, OTHER)) == (True, False, False)
    assert common.with_images([(BASE, CODE)]).missing((BASE, CODE)) == frozenset()


def test_only_what_all_have_counts() -> None:
    """Cached layers of the same size, the least free space, and deltas where all can apply them."""
    first = destination(
        "a",
        BASE,
        cached=dict([cached(BASE), cached(CODE), cached(OTHER)]),
        free_for_images=None,
        free_for_cache=500,
        can_apply_deltas=True,
    )
    second = destination(
        "b",
        cached=dict([cached(BASE), cached(CODE, 101)]),
        free_for_images=70,
        free_for_cache=900,
        can_apply_deltas=True,
    )
    both = combined([first, second])
    assert both.name == "a"
    assert set(both.capabilities.cached) == {BASE}
    assert (both.capabilities.free_for_images, both.capabilities.free_for_cache) == (70, 500)
    assert both.capabilities.can_apply_deltas
    assert both.present.missing((BASE,)) == {BASE}
    assert not combined([first, destination("c")]).capabilities.can_apply_deltas


def test_an_image_that_has_arrived_is_there_for_the_next() -> None:
    """A second group of images does not carry the layers of the first again."""
    image = Image("sha256:1", (), (), (BASE, CODE), {}, "linux/amd64", 1000)
    after = destination("a").with_images([PendingImage("shop:r1", "shop", image)])
    assert after.present.missing((BASE, CODE)) == frozenset()
    assert destination("a").present.missing((BASE,)) == {BASE}
