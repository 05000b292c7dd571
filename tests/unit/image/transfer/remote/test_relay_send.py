"""The relay's word that a receiver is gone, by what its kernel tells of the connection."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.image.transfer.remote.scripts import RELAY_SEND

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS = """
our ($now, @info) = (1000);
BEGIN {
  *CORE::GLOBAL::time = sub () { $now };
  *CORE::GLOBAL::getsockopt = sub { pack('x2 C C x52 L', @info) };
}
"""
"""A clock, and the answers of a kernel: retransmits, probes, milliseconds since it was heard."""

LOOK = """
while (<STDIN>) { ($now, @info) = split; print gone(*STDOUT) ? 'gone' : 'there', "\\n" }
"""


def looks(*seen: tuple[int, int, int, float]) -> Sequence[str]:
    """What is made of looks: the time, retransmits, probes, seconds of silence."""
    functions = RELAY_SEND[: RELAY_SEND.index("my @to = joined();")]
    lines = "".join(f"{1000 + at} {sent} {probes} {round(s * 1000)}\n" for at, sent, probes, s in seen)
    done = subprocess.run(
        ["perl", "-e", LOOKS + functions + LOOK], input=lines, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="no perl")


def test_a_receiver_that_only_answers_probes_is_there() -> None:
    """They are sent more and more rarely: more than ten seconds of silence are its kernel's patience, not its end."""
    seen = [
        (0, 0, 0, 0.1),
        (6, 0, 0, 6.1),
        (12, 0, 0, 12.1),
        (13, 0, 1, 12.9),
        (14, 0, 0, 0.9),
        (26, 0, 1, 12.9),
    ]
    assert set(looks(*seen)) == {"there"}


def test_retransmits_that_are_answered_but_not_taken_are_no_end() -> None:
    """A window that shrank: each is answered, and the count grows all the same."""
    seen = [(0, 4, 0, 0.1), (12, 4, 0, 12.1), (13, 5, 0, 0.5), (25, 5, 0, 12.4), (26, 6, 0, 13.4)]
    assert set(looks(*seen)) == {"there"}


@pytest.mark.parametrize("kind", ["retransmits", "probes"])
def test_a_receiver_that_answers_nothing_is_gone(kind: str) -> None:
    """Before the half minute is over."""

    def seen(at: int, count: int) -> tuple[int, int, int, float]:
        return (at, count, 0, at) if kind == "retransmits" else (at, 0, count, at)

    assert looks(seen(2, 2), seen(6, 4), seen(10, 5)) == ["there", "there", "gone"]
