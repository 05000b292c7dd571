"""Which layers of an image a server has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.engine.values import Image
from ftl.image.transfer.presence import (
    PresentLayers,
    chain_ids,
    estimated_sizes,
    present_layers,
    rank_by_likelihood,
)

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")

LAYERS = st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=6)


def image(
    *layers: str, tags: tuple[str, ...] = (), created: str = "", image_id: str = "sha256:0", **labels: str
) -> Image:
    """An image in full, as an engine has it."""
    config = {"Labels": {name.replace("_", "."): value for name, value in labels.items()}}
    return Image(image_id, tags, (), layers, config, "linux/amd64", 0, created)


def test_a_chain_id_covers_all_layers_below() -> None:
    """The chainIDs are those that the OCI image spec's rule gives, and that an engine names its folders by."""
    base = "sha256:11a669afcda53a485db038b25de7008912e3d13ee949bc13f2ffdac829929436"
    above = "sha256:e9b7402655b9ff1a3935c3282d21780ce171ebc2861dc8f9c0b7fa3daafaca75"
    assert chain_ids([base, above]) == (
        base,
        "sha256:88965a3c0c476925ec76039898a30334d1532b49534760133b46d4bfd86b7938",
    )


@pytest.mark.parametrize(
    ("layers", "steps", "sizes"),
    [
        ("abc", [0, 10, 0, 20, 30, 0], {"a": 10, "b": 20, "c": 30}),
        ("abc", [100, 0, 20, 3, 0], {"a": 100, "b": 20, "c": 3}),
        ("ab", [10], {"a": 0, "b": 10}),
        ("ab", [], {"a": 0, "b": 0}),
    ],
)
def test_sizes_come_from_the_steps_that_made_the_layers(
    layers: str, steps: list[int], sizes: dict[str, int]
) -> None:
    """Steps that made none are 0; a layer that cannot be told counts as empty."""
    assert estimated_sizes(list(layers), steps) == sizes


def test_on_overlay2_a_layer_on_another_base_is_another_layer() -> None:
    """The same diff counts as there only with everything below it."""
    server = PresentLayers("overlay2").adding([[A, B]])
    assert server.of([A, B, C]) == (True, True, False)
    assert server.of([C, B]) == (False, False)
    assert server.lacks([C, B]) == {C, B}


def test_on_overlay2_a_layer_used_twice_is_sent_if_either_is_missing() -> None:
    """One file serves both places, so it must be in the archive."""
    assert PresentLayers("overlay2").adding([[A, B]]).lacks([A, B, A]) == {A}


def test_on_the_containerd_store_a_blob_counts_wherever_it_lies() -> None:
    """Blobs have no place in a chain."""
    assert PresentLayers("containerd").adding([[A, B]]).lacks([C, B]) == {C}


@given(LAYERS, LAYERS, st.sampled_from(["overlay2", "containerd"]))
def test_what_is_sent_and_what_is_there_make_the_image(
    ours: list[str], theirs: list[str], store: str
) -> None:
    """Every layer is either there or sent, and an image that is there lacks nothing."""
    server = PresentLayers(store).adding([theirs])  # type: ignore[arg-type]  # one of the two names
    lacking = server.lacks(ours)
    assert all(there or layer in lacking for layer, there in zip(ours, server.of(ours), strict=True))
    assert not server.lacks(theirs)
    assert not server.adding([ours]).lacks(ours)


def test_on_overlay2_any_image_counts() -> None:
    """It does not matter how a layer came: pulled, loaded or built."""
    assert not present_layers("overlay2", [image(A, tags=("debian:12",))], {}).lacks([A])


def test_on_the_containerd_store_only_what_ftl_seems_to_have_loaded_counts() -> None:
    """The blobs of pulled images are compressed and have other digests; labels and names tell, without a record."""
    ours = image(A, tags=("shop-web:r1",), ftl_project="shop")
    pulled = image(B, tags=("registry.example.com/shop-web:r1",), ftl_project="shop")
    other = image(C, tags=("debian:12",))
    assert present_layers("containerd", [ours, pulled, other], {}).lacks([A, B, C]) == {B, C}


@pytest.mark.parametrize(
    ("brought", "lacking"),
    [
        ({}, {B}),
        ({"sha256:a": True}, {B}),
        ({"sha256:a": False}, {A, B}),
        ({"sha256:a": False, "sha256:b": True}, {A}),
        ({"sha256:c": True}, {B}),
    ],
)
def test_on_the_containerd_store_a_record_knows_better_than_names(
    brought: dict[str, bool], lacking: set[str]
) -> None:
    """An image that was pulled and got one of FTL's names does not count, one that FTL brought does under any name."""
    named = image(A, tags=("shop-web:r1",), image_id="sha256:a", ftl_project="shop")
    foreign = image(B, tags=("debian:12",), image_id="sha256:b")
    assert present_layers("containerd", [named, foreign], brought).lacks([A, B]) == lacking


def test_the_likeliest_images_come_first() -> None:
    """The same service's images are asked for before others, newer ones before older ones."""
    old = image(tags=("shop-web:r1",), created="2026-01-01")
    new = image(tags=("shop-web:r2",), created="2026-02-01")
    other = image(tags=("debian:12",), created="2026-03-01")
    assert rank_by_likelihood([other, old, new], ["shop-web"]) == [new, old, other]
