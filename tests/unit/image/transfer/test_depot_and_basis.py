"""What a server says it can do and keeps, which of that serves as the basis of a difference, and whether it pays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.engine.values import Image
from ftl.image.transfer.delta.candidates import (
    LEAST,
    BaseCandidate,
    delta_pays_off,
    find_candidates,
    index_seconds,
)
from ftl.image.transfer.remote.capabilities import CachedLayer, RemoteCapabilities, cache_name, parse_probe

A, B, C, D, E = (f"sha256:{letter * 64}" for letter in "abcde")

ANSWER = f"""\
zstd *** zstd command line interface 64-bits v1.5.4, by Yann Collet ***
docker /usr/bin/docker
exact cd
perl 7523094288207667809
memory 500000
images 1000000
home 2000000
layer {"a" * 64}-4000000 1000000
layer {"b" * 64}-0 13
"""


def test_a_server_that_has_everything() -> None:
    """Kilobytes become bytes, names become layers."""
    assert parse_probe(ANSWER, 0.5) == RemoteCapabilities(
        receives=True,
        deltas=True,
        describes=True,
        free=1_024_000_000,
        room=2_048_000_000,
        keeps=204_800_000,
        kept={A: CachedLayer(A, 4_000_000, 1_000_000), B: CachedLayer(B, 0, 13)},
        round_trip=0.5,
    )


@pytest.mark.parametrize(
    ("line", "instead", "receives", "deltas"),
    [
        ("zstd *** zstd command line interface 64-bits v1.5.4, by Yann Collet ***", "zstd ", False, False),
        ("docker /usr/bin/docker", "docker ", False, False),
        ("exact cd", "exact ", False, False),
        ("perl 7523094288207667809", "perl", True, False),
        ("perl 7523094288207667809", "perl 64", True, False),
        ("perl 7523094288207667809", "perl 8.1e18", True, False),
        ("memory 500000", "memory 131071", True, False),
        ("memory 500000", "memory 131072", True, True),
        ("memory 500000", "memory", True, False),
    ],
)
def test_what_is_missing_is_done_without(line: str, instead: str, receives: bool, deltas: bool) -> None:
    """Without zstd, docker or GNU head the engine's API; without memory, or a perl of 64 bits, no differences."""
    depot = parse_probe(ANSWER.replace(line, instead))
    assert (depot.receives, depot.deltas, bool(depot.kept)) == (receives, deltas, receives)
    assert bool(depot.bases()) == deltas


def test_a_server_without_memory_for_differences_still_describes() -> None:
    """That takes none."""
    depot = parse_probe(ANSWER.replace("memory 500000", "memory 1"))
    assert (depot.deltas, depot.describes) == (False, True)


@pytest.mark.parametrize(
    "line",
    [
        "Welcome to the server!",
        "layer of paint",
        f"layer {'a' * 63}-1 1",
        f"layer {'g' * 64}-1 1",
        f"layer {'c' * 64}-01 1",
        f"layer {'c' * 64}-1 -1",
        f"layer {'c' * 64}-{'9' * 5000} 1",
        f"layer {'c' * 64}-1/../../x 1",
        "zstd",
    ],
)
def test_lines_that_are_not_the_scripts_are_passed_over(line: str) -> None:
    """Login shells greet, and what lies in the folder may be anything."""
    assert parse_probe(f"{line}\n{ANSWER}") == parse_probe(ANSWER)


@given(st.text())
def test_no_answer_is_an_error(answer: str) -> None:
    """What cannot be understood means that the server can do nothing for us."""
    assert not parse_probe(answer).kept


@pytest.mark.parametrize(("kilobytes", "bases"), [(19_531, [B]), (19_532, [A, B])])
def test_a_layer_for_which_there_is_no_room_is_no_basis(kilobytes: int, bases: list[str]) -> None:
    """Five times its size must be free, or what comes would fill the disk; it may still be loaded as it is."""
    depot = parse_probe(ANSWER.replace("home 2000000", f"home {kilobytes}"))
    assert A in depot.kept
    assert list(depot.bases()) == bases


def test_without_what_is_kept() -> None:
    """For a transfer that trusts nothing; the tools are still there."""
    bare = parse_probe(ANSWER).without_kept()
    assert (bare.receives, bare.bases(), bare.kept) == (True, {}, {})
    assert bare == replace(parse_probe(ANSWER), kept={})


def kept(layer: str, size: int = 4 << 20) -> CachedLayer:
    """A layer that the server keeps."""
    return CachedLayer(layer, size, size // 3)


def image(tag: str, *layers: str) -> Image:
    """An image of that name."""
    return Image(tag, (tag,), (), layers, {}, "linux/amd64", 0)


@pytest.mark.parametrize(
    ("new", "old", "kept_there", "expected"),
    [
        pytest.param((A, C), (A, B), (A, B), {C: B}, id="changed-top"),
        pytest.param((A, D, C), (A, B, C), (A, B, C), {D: B}, id="changed-middle"),
        pytest.param((A, D, E), (A, B, C), (B, C), {D: B, E: C}, id="two-changed"),
        pytest.param((A, D, E), (A, B), (B,), {D: B, E: B}, id="one-more-step"),
        pytest.param((D, E), (A, B, C), (C,), {D: C, E: C}, id="nearest-that-is-kept"),
        pytest.param((A, C), (A, B), (A,), {}, id="old-not-kept"),
        pytest.param((A, B), (A, B), (A, B), {}, id="unchanged"),
        pytest.param((A, B, C), (A, B), (A, B), {}, id="only-added"),
        pytest.param((A,), (A, B), (A, B), {}, id="only-removed"),
    ],
)
def test_the_old_layer_for_a_new_one(
    new: tuple[str, ...], old: tuple[str, ...], kept_there: tuple[str, ...], expected: dict[str, str]
) -> None:
    """The one that the new image has no more, nearest to the new one's place."""
    there = image("shop-web:r1", *old)
    found = find_candidates(
        {"shop-web:r2": new}, [there], {"shop-web:r1": there}, {layer: kept(layer) for layer in kept_there}
    )
    assert {layer: candidate.kept.diff_id for layer, candidate in found.items()} == expected


def test_only_an_image_of_the_same_service_that_is_here_too_counts() -> None:
    """Its old layers are read here: so it must be here, and be the same."""
    newest, other = image("shop-web:r3", A, B), image("blog-web:r9", A, C)
    stored = {layer: kept(layer) for layer in (B, C, D)}
    wanted = {"shop-web:r4": (A, E)}
    assert find_candidates(wanted, [newest, other], {"blog-web:r9": other}, stored) == {}
    assert find_candidates(wanted, [newest], {"shop-web:r3": image("shop-web:r3", A, D)}, stored) == {}
    older = image("shop-web:r2", A, D)
    here = {"shop-web:r2": older, "shop-web:r3": newest}
    assert find_candidates(wanted, [newest, older], here, stored) == {E: BaseCandidate(kept(B), newest)}
    del here["shop-web:r3"]
    assert find_candidates(wanted, [newest, older], here, stored) == {E: BaseCandidate(kept(D), older)}


def test_a_server_that_can_describe_its_layers_serves_a_machine_that_never_had_them() -> None:
    """But what is here is better known."""
    newest, older = image("shop-web:r3", A, B), image("shop-web:r2", A, D)
    stored = {layer: kept(layer) for layer in (B, D)}
    wanted = {"shop-web:r4": (A, E)}
    assert find_candidates(wanted, [newest, older], {}, stored) == {}
    assert find_candidates(wanted, [newest, older], {}, stored, described=True) == {
        E: BaseCandidate(kept(B), None)
    }
    here = {"shop-web:r2": older}
    assert find_candidates(wanted, [newest, older], here, stored, described=True) == {
        E: BaseCandidate(kept(D), older)
    }
    other = image("blog-web:r9", A, B)
    assert find_candidates(wanted, [other], {}, stored, described=True) == {}


def test_a_description_pays_on_a_slow_link_alone() -> None:
    """It takes a second or two before anything travels."""
    old = kept(A, 150 << 20)
    for speed, pay in ((2.5e6, True), (12.5e6, True), (60e6, False)):
        assert delta_pays_off(old.size, old, speed, index_seconds(old, speed)) is pay


def test_an_earlier_image_serves_where_the_latest_ones_layers_are_not_kept() -> None:
    """They were damaged, or had to make room. But where nothing was replaced, an older release is no help."""
    latest, earlier = image("shop-web:r2", A, B), image("shop-web:r1", A, C)
    here = {"shop-web:r1": earlier, "shop-web:r2": latest}
    stored = {layer: kept(layer) for layer in (A, C)}
    found = find_candidates({"shop-web:r3": (A, D)}, [latest, earlier], here, stored)
    assert found == {D: BaseCandidate(kept(C), earlier)}
    assert find_candidates({"shop-web:r3": (A, B, D)}, [latest, earlier], here, stored) == {}


def test_services_have_old_layers_of_their_own() -> None:
    """In one transfer of several images."""
    web, api = image("shop-web:r1", A, B), image("shop-api:r1", A, C)
    found = find_candidates(
        {"shop-web:r2": (A, D), "shop-api:r2": (A, E)},
        [web, api],
        {"shop-web:r1": web, "shop-api:r1": api},
        {layer: kept(layer) for layer in (A, B, C)},
    )
    assert {layer: candidate.kept.diff_id for layer, candidate in found.items()} == {D: B, E: C}


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
        ((LEAST - 1) / MEGABYTE, 1, 1e5, 0.0, False),
    ],
    ids=[
        "slow",
        "100-mbit",
        "unknown",
        "code",
        "little",
        "code-nearby",
        "fast",
        "old-is-huge",
        "old-is-far",
        "small",
    ],
)
def test_what_arrives_first_is_chosen(
    megabytes: float, old: float, speed: float | None, preparing: float, expected: bool
) -> None:
    """A fast link does not wait for a clever method, a small layer for nothing."""
    size = int(megabytes * MEGABYTE)
    assert delta_pays_off(size, kept(A, int(old * MEGABYTE)), speed, preparing) is expected
    assert size >= LEAST or not expected


def test_a_name_tells_the_size() -> None:
    """As the scripts call a layer."""
    assert cache_name(A, 12) == kept(A, 12).name == "a" * 64 + "-12"
