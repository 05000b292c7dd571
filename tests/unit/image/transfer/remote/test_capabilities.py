"""Tests of the probe's output: a server's tools, disk space and cached layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.image.transfer.remote.capabilities import CachedLayer, RemoteCapabilities, cache_name, parse_probe

A, B = (f"sha256:{letter * 64}" for letter in "ab")

OUTPUT = f"""\
zstd *** zstd command line interface 64-bits v1.5.4, by Yann Collet ***
docker /usr/bin/docker
exact cd
perl 7523094288207667809
memory 500000
images 1000000
cache 2000000
layer {"a" * 64}-4000000 1000000
layer {"b" * 64}-0 13
"""


def test_a_server_with_all_tools() -> None:
    """Kilobytes become bytes, file names become layers."""
    assert parse_probe(OUTPUT, 0.5) == RemoteCapabilities(
        can_receive=True,
        can_apply_deltas=True,
        can_describe=True,
        free_for_images=1_024_000_000,
        free_for_cache=2_048_000_000,
        cache_limit=204_800_000,
        cached={A: CachedLayer(A, 4_000_000, 1_000_000), B: CachedLayer(B, 0, 13)},
        round_trip=0.5,
    )


@pytest.mark.parametrize(
    ("line", "replacement", "can_receive", "can_apply_deltas"),
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
def test_a_missing_tool_is_a_missing_capability(
    line: str, replacement: str, can_receive: bool, can_apply_deltas: bool
) -> None:
    """The script needs zstd, docker and GNU head; deltas also need memory and a perl of 64 bits."""
    capabilities = parse_probe(OUTPUT.replace(line, replacement))
    assert (capabilities.can_receive, bool(capabilities.cached)) == (can_receive, can_receive)
    assert (capabilities.can_apply_deltas, bool(capabilities.delta_bases())) == (
        can_apply_deltas,
        can_apply_deltas,
    )


def test_a_server_without_memory_for_deltas_can_describe_layers() -> None:
    """Making an index takes no memory."""
    capabilities = parse_probe(OUTPUT.replace("memory 500000", "memory 1"))
    assert (capabilities.can_apply_deltas, capabilities.can_describe) == (False, True)


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
def test_unknown_lines_are_ignored(line: str) -> None:
    """Login shells print greetings, and the cache folder may contain any file."""
    assert parse_probe(f"{line}\n{OUTPUT}") == parse_probe(OUTPUT)


@given(st.text())
def test_any_output_can_be_parsed(output: str) -> None:
    """Output that is not the probe's means no capabilities."""
    assert not parse_probe(output).cached


@pytest.mark.parametrize(("kilobytes", "bases"), [(19_531, [B]), (19_532, [A, B])])
def test_a_layer_without_disk_space_is_no_base(kilobytes: int, bases: list[str]) -> None:
    """Five times its size must be free, or the new layer would fill the disk; it may still be loaded."""
    capabilities = parse_probe(OUTPUT.replace("cache 2000000", f"cache {kilobytes}"))
    assert A in capabilities.cached
    assert list(capabilities.delta_bases()) == bases


def test_without_the_cache_the_tools_remain() -> None:
    """For a transfer that relies on no layer of the server."""
    bare = parse_probe(OUTPUT).without_cache()
    assert (bare.can_receive, bare.delta_bases(), bare.cached) == (True, {}, {})
    assert bare == replace(parse_probe(OUTPUT), cached={})


def test_a_layers_name_has_its_digest_and_size() -> None:
    """The scripts read the size from the name."""
    assert cache_name(A, 12) == CachedLayer(A, 12, 4).name == "a" * 64 + "-12"
