"""Facts about a server, as any user may read them."""

from __future__ import annotations

import getpass
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.common.proc_net import ListeningSocket
from ftl.server.doctor.facts import ServerFacts, read, script
from ftl.server.facts.reader import FreeSpace
from tests.unit.server.doctor.world import FACTS


def test_facts_are_read() -> None:
    """Chatter of login scripts and malformed values are skipped."""
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
        listeners=(
            ListeningSocket("0.0.0.0", 5432),
            ListeningSocket("127.0.0.1", 3306),
            ListeningSocket("::", 22),
        ),
        web_servers=("nginx",),
        allowed=(22, 8443),
    )
    assert expected == FACTS


@given(st.text())
def test_any_output_is_read(output: str) -> None:
    """Reading never fails, whatever a server prints."""
    read(output, asked_at=1.0, answered=2.0)


def test_this_machine_s_facts_are_read() -> None:
    """By the script that runs on servers, without any rights."""
    argv = ("sh", "-c", script(), "sh", "/nonexistent/docker", "overlay2")
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    facts = read(done.stdout, asked_at=time.time(), answered=time.time())
    assert abs(facts.skew) < 60
    assert (facts.user, facts.root) == (getpass.getuser(), "/nonexistent/docker")
    assert facts.memory["MemTotal"] > 0
    assert facts.disk is not None
    assert facts.inodes is not None


@pytest.mark.parametrize(
    ("clock", "asked", "answered", "skew"),
    [
        (1000, 1000.9, 1000.95, 0.0),
        (1000, 999.0, 1001.0, 0.0),
        (1000, 1060.5, 1061.0, -59.5),
        (1000, 700.0, 701.0, 299.0),
    ],
)
def test_a_clock_s_skew(clock: int, asked: float, answered: float, skew: float) -> None:
    """It is what neither the clock's whole seconds nor the duration of the answer explain."""
    assert read(f"time\t{clock}\n", asked_at=asked, answered=answered).skew == pytest.approx(skew)
