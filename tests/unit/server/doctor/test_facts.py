"""What a server says of itself, and what doctor understands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.server.doctor.facts import FreeSpace, ListeningPort, ServerFacts, listener, read
from tests.unit.server.doctor.world import SURVEY


def test_the_server_s_own_words() -> None:
    """The script's lines become values; chatter of login scripts and what is broken is passed over."""
    expected = ServerFacts(
        user="deploy",
        system="Debian GNU/Linux 12 (bookworm)",
        skew=0.0,
        memory={"MemTotal": 4015976 * 1024, "MemAvailable": 1003994 * 1024, "SwapTotal": 0},
        root="/var/lib/docker",
        disk=FreeSpace(38_000_000 * 1024, 8_000_000 * 1024),
        inodes=FreeSpace(2_500_000, 2_400_000),
        has_zstd=True,
        addresses=("203.0.113.5", "10.0.0.2", "2001:db8::5"),
        listeners=(ListeningPort("0.0.0.0", 5432), ListeningPort("127.0.0.1", 3306), ListeningPort("::", 22)),
        programs=("nginx",),
        allowed=(22, 8443),
    )
    assert expected == SURVEY


@given(st.text())
def test_any_words_are_read(output: str) -> None:
    """Whatever a server prints, reading it does not fail."""
    read(output, asked=1.0, answered=2.0)
    listener(output)


@pytest.mark.parametrize(
    ("clock", "asked", "answered", "skew"),
    [
        (1000, 1000.9, 1000.95, 0.0),
        (1000, 999.0, 1001.0, 0.0),
        (1000, 1060.5, 1061.0, -59.5),
        (1000, 700.0, 701.0, 299.0),
    ],
)
def test_clocks(clock: int, asked: float, answered: float, skew: float) -> None:
    """A clock is off as far as neither its whole seconds nor the way of the answer explain it."""
    assert read(f"time\t{clock}\n", asked=asked, answered=answered).skew == pytest.approx(skew)
