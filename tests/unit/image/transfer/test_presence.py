"""Tests of which images and layers a server already has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.engine.values import Image
from ftl.image.transfer.presence import (
    PresentLayers,
    chain_ids,
    estimated_sizes,
    is_same_image,
    present_layers,
    rank_by_likelihood,
)

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")

IMAGE = Image(
    "sha256:1", ("web:r1",), (), ("a", "b"), {"Env": ["A=1"], "Cmd": ["run"]}, "linux/amd64", 10, "2026"
)

LAYERS = st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=6)


def image(
    *layers: str, tags: tuple[str, ...] = (), created: str = "", image_id: str = "sha256:0", **labels: str
) -> Image:
    """An inspected image."""
    config = {"Labels": {name.replace("_", "."): value for name, value in labels.items()}}
    return Image(image_id, tags, (), layers, config, "linux/amd64", 0, created)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(IMAGE, id="sha256:2", tags=(), size=99, created=""), True),
        (replace(IMAGE, id="sha256:2", config={**IMAGE.config, "Volumes": None, "User": ""}), True),
        (replace(IMAGE, id="sha256:2", config={**IMAGE.config, "User": "web"}), False),
        (replace(IMAGE, id="sha256:2", layers=("b", "a")), False),
        (replace(IMAGE, id="sha256:2", platform="linux/arm64"), False),
        (replace(IMAGE, config={}), True),
    ],
)
def test_images_are_the_same_if_no_container_can_tell_them_apart(other: Image, same: bool) -> None:
    """Equal IDs are proof; stores give one image different IDs, and engines spell out different empty fields."""
    assert is_same_image(IMAGE, other) is same


def test_a_chain_id_covers_all_layers_below() -> None:
    """The chainIDs are those of the OCI image spec's rule, by which an engine names its folders."""
    base = "sha256:11a669afcda53a485db038b25de7008912e3d13ee949bc13f2ffdac829929436"
    above = "sha256:e9b7402655b9ff1a3935c3282d21780ce171ebc2861dc8f9c0b7fa3daafaca75"
    assert chain_ids([base, above]) == (
        base,
        "sha256:88965a3c0c476925ec76039898a30334d1532b49534760133b46d4bfd86b7938",
    )


@pytest.mark.parametrize(
    ("layers", "step_sizes", "sizes"),
    [
        ("abc", [0, 10, 0, 20, 30, 0], {"a": 10, "b": 20, "c": 30}),
        ("abc", [100, 0, 20, 3, 0], {"a": 100, "b": 20, "c": 3}),
        ("ab", [10], {"a": 0, "b": 10}),
        ("ab", [], {"a": 0, "b": 0}),
    ],
)
def test_sizes_come_from_the_steps_that_made_the_layers(
    layers: str, step_sizes: list[int], sizes: dict[str, int]
) -> None:
    """A step without a layer has size 0; a layer whose step is unknown counts as empty."""
    assert estimated_sizes(list(layers), step_sizes) == sizes


def test_on_overlay2_a_layer_on_another_base_is_another_layer() -> None:
    """The same diff counts as present only with everything below it."""
    server = PresentLayers("overlay2").with_images([[A, B]])
    assert server.of([A, B, C]) == (True, True, False)
    assert server.of([C, B]) == (False, False)
    assert server.missing([C, B]) == {C, B}


def test_on_overlay2_a_layer_used_twice_is_sent_if_either_is_missing() -> None:
    """One file in the archive serves both positions."""
    assert PresentLayers("overlay2").with_images([[A, B]]).missing([A, B, A]) == {A}


def test_on_the_containerd_store_a_blob_counts_at_any_position() -> None:
    """Blobs do not depend on the layers below."""
    assert PresentLayers("containerd").with_images([[A, B]]).missing([C, B]) == {C}


@given(LAYERS, LAYERS, st.sampled_from(["overlay2", "containerd"]))
def test_present_and_missing_layers_make_the_image(local: list[str], remote: list[str], store: str) -> None:
    """Every layer is either present or sent, and of an image that is present nothing is missing."""
    server = PresentLayers(store).with_images([remote])  # type: ignore[arg-type]  # one of the two names
    missing = server.missing(local)
    assert all(present or layer in missing for layer, present in zip(local, server.of(local), strict=True))
    assert not server.missing(remote)
    assert not server.with_images([local]).missing(local)


def test_on_overlay2_any_image_counts() -> None:
    """A layer counts whether it was pulled, loaded or built."""
    assert not present_layers("overlay2", [image(A, tags=("debian:12",))], {}).missing([A])


def test_on_the_containerd_store_only_images_that_ftl_seems_to_have_loaded_count() -> None:
    """Pulled images have compressed blobs of other digests; without a record, labels and tags decide."""
    loaded = image(A, tags=("shop-web:r1",), ftl_project="shop")
    pulled = image(B, tags=("registry.example.com/shop-web:r1",), ftl_project="shop")
    other = image(C, tags=("debian:12",))
    assert present_layers("containerd", [loaded, pulled, other], {}).missing([A, B, C]) == {B, C}


@pytest.mark.parametrize(
    ("loaded_by_ftl", "missing"),
    [
        ({}, {B}),
        ({"sha256:a": True}, {B}),
        ({"sha256:a": False}, {A, B}),
        ({"sha256:a": False, "sha256:b": True}, {A}),
        ({"sha256:c": True}, {B}),
    ],
)
def test_on_the_containerd_store_a_record_decides_against_tags(
    loaded_by_ftl: dict[str, bool], missing: set[str]
) -> None:
    """A pulled image with one of FTL's tags does not count, one that FTL loaded does under any tag."""
    named = image(A, tags=("shop-web:r1",), image_id="sha256:a", ftl_project="shop")
    foreign = image(B, tags=("debian:12",), image_id="sha256:b")
    assert present_layers("containerd", [named, foreign], loaded_by_ftl).missing([A, B]) == missing


@pytest.mark.parametrize(
    ("tag", "cached", "missing"),
    [
        ("shop-web:r1", {A, B}, {C}),
        ("shop-web:r1", {A}, {A, B, C}),
        ("debian:12", {A, B}, {A, B, C}),
        ("registry.example.com/shop-web:r1", {A, B}, {A, B, C}),
    ],
)
def test_on_the_containerd_store_an_earlier_image_whose_layers_were_all_sent_counts(
    tag: str, cached: set[str], missing: set[str]
) -> None:
    """Without a record: of one that was pulled, FTL's cache there may have all layers as well."""
    server = present_layers(
        "containerd", [image(A, B, tags=(tag,))], {}, cached=cached, repositories={"shop-web"}
    )
    assert server.missing([A, B, C]) == missing


def test_the_likeliest_images_come_first() -> None:
    """The same service's images come before others, newer ones before older ones."""
    old = image(tags=("shop-web:r1",), created="2026-01-01")
    new = image(tags=("shop-web:r2",), created="2026-02-01")
    other = image(tags=("debian:12",), created="2026-03-01")
    assert rank_by_likelihood([other, old, new], ["shop-web"]) == [new, old, other]
