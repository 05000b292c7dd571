"""Output of remote commands without the login's noise."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl import child
from ftl.ssh.framing import (
    NOISE_KEPT,
    NoiseFilter,
    new_boundary,
    process_id,
    start,
    strip_noise,
)
from ftl.ssh.quoting import framed_line

if TYPE_CHECKING:
    from pathlib import Path

BOUNDARY = "ftl-0123456789abcdef"


@given(st.binary(max_size=80), st.binary(max_size=80), st.lists(st.integers(0, 200), max_size=8))
def test_output_after_the_mark_is_kept_whole(noise: bytes, output: bytes, cuts: list[int]) -> None:
    """However the stream is cut into pieces, nothing of the noise comes through and nothing of the output is lost."""
    stream = noise + f"\n{BOUNDARY}\n".encode() + output
    noise_filter = NoiseFilter(BOUNDARY)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert b"".join(map(noise_filter.feed, pieces)) == output
    assert noise_filter.noise == noise[:NOISE_KEPT]


def test_the_rest_of_the_marks_line_is_its_label() -> None:
    """On stderr it is the command's process ID."""
    noise_filter = NoiseFilter(BOUNDARY)
    assert noise_filter.feed(f"\n{BOUNDARY} 12".encode()) == b""
    assert noise_filter.label is None
    assert noise_filter.feed(b"34\nerror") == b"error"
    assert noise_filter.label == "1234"


def test_a_command_that_never_started_has_no_output() -> None:
    """Noise alone (`This account is not available.`) is not taken for an answer."""
    assert strip_noise(b"This account is not available.\n", BOUNDARY) is None
    assert strip_noise(b"", BOUNDARY) is None


def test_endless_noise_takes_no_memory() -> None:
    """Only the beginning is kept."""
    noise_filter = NoiseFilter(BOUNDARY)
    for _ in range(1000):
        assert noise_filter.feed(b"x" * 10_000) == b""
    assert len(noise_filter.noise) == NOISE_KEPT
    assert len(noise_filter._pending) <= len(BOUNDARY) + 1


def test_marks_differ() -> None:
    """A boundary is used once."""
    assert new_boundary() != new_boundary()


@pytest.fixture
def login(tmp_path: Path) -> dict[str, str]:
    """An environment in which bash, as under sshd, reads a file that prints on both streams without a newline."""
    noisy = tmp_path / "bashrc"
    noisy.write_text("printf 'Welcome to prod'; printf 'You have mail' >&2\n")
    return {**os.environ, "BASH_ENV": str(noisy)}


def test_a_login_shells_noise_is_dropped_from_both_streams(login: dict[str, str]) -> None:
    """What the login shell's files print comes first and goes; the command's status and output stay."""
    line = framed_line(["sh", "-c", "echo out; echo err >&2; exit 3"], BOUNDARY)
    done = subprocess.run(["bash", "-c", line], env=login, capture_output=True, check=False)
    assert done.stdout.startswith(b"Welcome to prod")
    assert (strip_noise(done.stdout, BOUNDARY), strip_noise(done.stderr, BOUNDARY)) == (b"out\n", b"err\n")
    assert done.returncode == 3


def test_a_started_commands_streams_begin_after_the_noise(
    login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process can be talked to as any other; the process ID that it reports is its own."""
    monkeypatch.setenv("BASH_ENV", login["BASH_ENV"])
    line = framed_line(["sh", "-c", "echo $$; cat; echo end >&2"], BOUNDARY)

    async def talk() -> tuple[bytes, bytes]:
        process = await start(["bash", "-c", line], BOUNDARY, group=0)
        try:
            assert process.stdin is not None
            process.stdin.write(b"hello\n")
            process.stdin.close()
            assert process.stdout is not None
            assert process.stderr is not None
            assert int(await process.stdout.readline()) == process.pid
            return await process.stdout.read(), await process.stderr.read()
        finally:
            await child.stop(process)

    assert asyncio.run(talk()) == (b"hello\n", b"end\n")


def test_the_process_id_is_known_as_soon_as_the_command_runs() -> None:
    """A command that is given up has to be ended by it."""
    assert process_id(b"Welcome\n", BOUNDARY) is None
    assert process_id(f"Welcome\n\n{BOUNDARY} 12\noops".encode(), BOUNDARY) == "12"
