"""Tests of the choice of base layers, and of the estimate whether a delta pays off."""

from __future__ import annotations

import pytest

from ftl.engine.values import Image
from ftl.image.transfer.delta.candidates import (
    MIN_SIZE,
    BaseCandidate,
    delta_pays_off,
    find_candidates,
    index_seconds,
)
from ftl.image.transfer.remote.capabilities import CachedLayer

A, B, C, D, E = (f"sha256:{letter * 64}" for letter in "abcde")


def cached(layer: str, size: int = 4 << 20) -> CachedLayer:
    """A layer in the server's cache."""
    return CachedLayer(layer, size, size // 3)


def image(tag: str, *layers: str) -> Image:
    """An image with this tag."""
    return Image(tag, (tag,), (), layers, {}, "linux/amd64", 0)


@pytest.mark.parametrize(
    ("new", "old", "in_cache", "expected"),
    [
        pytest.param((A, C), (A, B), (A, B), {C: B}, id="changed-top"),
        pytest.param((A, D, C), (A, B, C), (A, B, C), {D: B}, id="changed-middle"),
        pytest.param((A, D, E), (A, B, C), (B, C), {D: B, E: C}, id="two-changed"),
        pytest.param((A, D, E), (A, B), (B,), {D: B, E: B}, id="one-more-step"),
        pytest.param((D, E), (A, B, C), (C,), {D: C, E: C}, id="nearest-in-cache"),
        pytest.param((A, C), (A, B), (A,), {}, id="old-not-in-cache"),
        pytest.param((A, B), (A, B), (A, B), {}, id="unchanged"),
        pytest.param((A, B, C), (A, B), (A, B), {}, id="only-added"),
        pytest.param((A,), (A, B), (A, B), {}, id="only-removed"),
    ],
)
def test_the_base_of_a_new_layer(
    new: tuple[str, ...], old: tuple[str, ...], in_cache: tuple[str, ...], expected: dict[str, str]
) -> None:
    """It is the layer nearest to its position that the new image no longer has."""
    latest = image("shop-web:r1", *old)
    candidates = find_candidates(
        {"shop-web:r2": new}, [latest], {"shop-web:r1": latest}, {layer: cached(layer) for layer in in_cache}
    )
    assert {layer: candidate.cached.diff_id for layer, candidate in candidates.items()} == expected


def test_only_a_local_image_of_the_same_service_has_base_layers() -> None:
    """Base layers are read locally, so the image must exist here with the same layers."""
    newest, other = image("shop-web:r3", A, B), image("blog-web:r9", A, C)
    in_cache = {layer: cached(layer) for layer in (B, C, D)}
    pending = {"shop-web:r4": (A, E)}
    assert find_candidates(pending, [newest, other], {"blog-web:r9": other}, in_cache) == {}
    assert find_candidates(pending, [newest], {"shop-web:r3": image("shop-web:r3", A, D)}, in_cache) == {}
    older = image("shop-web:r2", A, D)
    local = {"shop-web:r2": older, "shop-web:r3": newest}
    assert find_candidates(pending, [newest, older], local, in_cache) == {E: BaseCandidate(cached(B), newest)}
    del local["shop-web:r3"]
    assert find_candidates(pending, [newest, older], local, in_cache) == {E: BaseCandidate(cached(D), older)}


def test_a_server_that_describes_its_layers_serves_a_machine_without_them() -> None:
    """But a local image is preferred."""
    newest, older = image("shop-web:r3", A, B), image("shop-web:r2", A, D)
    in_cache = {layer: cached(layer) for layer in (B, D)}
    pending = {"shop-web:r4": (A, E)}
    assert find_candidates(pending, [newest, older], {}, in_cache) == {}
    assert find_candidates(pending, [newest, older], {}, in_cache, can_describe=True) == {
        E: BaseCandidate(cached(B), None)
    }
    local = {"shop-web:r2": older}
    assert find_candidates(pending, [newest, older], local, in_cache, can_describe=True) == {
        E: BaseCandidate(cached(D), older)
    }
    other = image("blog-web:r9", A, B)
    assert find_candidates(pending, [other], {}, in_cache, can_describe=True) == {}


def test_an_index_pays_off_on_a_slow_link_alone() -> None:
    """It takes a second or two before anything is sent."""
    old = cached(A, 150 << 20)
    for speed, expected in ((2.5e6, True), (12.5e6, True), (60e6, False)):
        assert delta_pays_off(old.size, old, speed, index_seconds(old, speed)) is expected


def test_a_delta_next_door() -> None:
    """It must be there sooner than the whole layer; farther away it may take longer, to spare the link."""
    old = cached(A, 12 << 20)
    for round_trip, expected in ((0.002, False), (0.03, True)):
        preparing = index_seconds(old, 12.5e6)
        assert delta_pays_off(old.size, old, 12.5e6, preparing, round_trip=round_trip) is expected
    assert delta_pays_off(old.size, old, 2.5e6, index_seconds(old, 2.5e6), round_trip=0.002)


def test_an_earlier_image_serves_where_the_latest_has_no_cached_layer() -> None:
    """Its layers were damaged or evicted. But where no layer was replaced, an earlier release is of no use."""
    latest, earlier = image("shop-web:r2", A, B), image("shop-web:r1", A, C)
    local = {"shop-web:r1": earlier, "shop-web:r2": latest}
    in_cache = {layer: cached(layer) for layer in (A, C)}
    candidates = find_candidates({"shop-web:r3": (A, D)}, [latest, earlier], local, in_cache)
    assert candidates == {D: BaseCandidate(cached(C), earlier)}
    assert find_candidates({"shop-web:r3": (A, B, D)}, [latest, earlier], local, in_cache) == {}


def test_each_service_has_its_own_base_layers() -> None:
    """In one transfer of several images."""
    web, api = image("shop-web:r1", A, B), image("shop-api:r1", A, C)
    candidates = find_candidates(
        {"shop-web:r2": (A, D), "shop-api:r2": (A, E)},
        [web, api],
        {"shop-web:r1": web, "shop-api:r1": api},
        {layer: cached(layer) for layer in (A, B, C)},
    )
    assert {layer: candidate.cached.diff_id for layer, candidate in candidates.items()} == {D: B, E: C}


MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("megabytes", "old", "speed", "preparing", "expected"),
    [
        (120, 120, 2.5e6, 0.0, True),
        (120, 120, 12.5e6, 0.0, True),
        (120, 120, None, 0.0, True),
        (10, 10, 12.5e6, 0.0, True),
        (0.7, 0.7, 20e6, 0.0, True),
        (10, 10, 50e6, 0.0, False),
        (300, 300, 1e9, 0.0, False),
        (300, 6000, 12.5e6, 0.0, False),
        (120, 120, 12.5e6, 60.0, False),
        ((MIN_SIZE - 1) / MEGABYTE, 1, 1e5, 0.0, False),
    ],
    ids=[
        "slow",
        "100-mbit",
        "unknown",
        "code",
        "small-code",
        "code-on-fast-link",
        "fast",
        "huge-base",
        "slow-base",
        "too-small",
    ],
)
def test_the_faster_way_is_chosen(
    megabytes: float, old: float, speed: float | None, preparing: float, expected: bool
) -> None:
    """On a fast link, and for a small layer, a delta takes longer than the whole layer."""
    size = int(megabytes * MEGABYTE)
    assert delta_pays_off(size, cached(A, int(old * MEGABYTE)), speed, preparing) is expected
    assert size >= MIN_SIZE or not expected
