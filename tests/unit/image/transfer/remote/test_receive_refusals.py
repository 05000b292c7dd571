"""What a server refuses in a stream that may come from another server of its cluster."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.unit.image.transfer.server_home import Home, name

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed here")

LAYER = b"layer" * 1000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An account on a server."""
    return Home(tmp_path)


@pytest.mark.parametrize("verb", ["whole", "cached", "base", "delta"])
@pytest.mark.parametrize(
    "word",
    [
        "../../.ssh/authorized_keys",
        "/etc/passwd-12",
        "ab/../cd-12",
        "abc",
        "",
        "-12",
        "abc-",
        "abc-def",
        "abc-12-13",
        "abc-012",
        "abc-a[$(touch gone)]",
        "-12 abc-12",
        "ABC-12",
    ],
)
def test_a_name_that_is_no_layer_s_is_refused(home: Home, verb: str, word: str) -> None:
    """Nothing is read or written outside the cache, whatever is below the account's folder."""
    home.cache(LAYER)
    outside = home.layers.parent / "abc"
    outside.write_bytes(LAYER)
    status, archive, errors = home.run(f"{verb} {word}\n0\nend\n".encode())
    assert errors == "ftl: a name in the stream is not that of a layer\n"
    assert (status, archive) == (0, b"")
    assert home.cached() == {name(LAYER)}
    assert outside.read_bytes() == LAYER


@pytest.mark.parametrize("word", ["", "x", "-5", "+5", "5 5", "1e3", "$((5))"])
def test_a_length_that_is_no_number_is_refused(home: Home, word: str) -> None:
    """`head -c -5` would print all but the end, and wait for it."""
    _, archive, errors = home.run(f"raw {word}\n12345\nend\n".encode())
    assert errors == "ftl: a length in the stream is not a number\n"
    assert archive == b""


@pytest.mark.parametrize("word", ["", "x", "-5", "5x"])
def test_a_frame_whose_length_is_no_number_ends_the_layer(home: Home, word: str) -> None:
    """It is not cached."""
    _, archive, errors = home.run(f"whole {name(LAYER)}\n{word}\n12345\n0\nend\n".encode())
    assert f"ftl: layer {name(LAYER)} arrived incomplete\n" in errors
    assert archive == b""
    assert home.cached() == set()
