"""The probes between servers: their scripts, run here, and what is read from them."""

from __future__ import annotations

import subprocess
from importlib.resources import files

import pytest

from ftl.server.cluster.ports import BlockedPorts, blocked_ports

SCRIPTS = files("ftl.server.cluster")
ALL = ("tcp/2377", "tcp/7946", "udp/7946", "udp/4789")


def heard(*senders: int, but: tuple[str, ...] = ()) -> list[str]:
    """The output of a server that heard all ports of these servers."""
    return [line for sender in senders for port in ALL if (line := f"from {sender} {port}") not in but]


def test_nothing_is_blocked() -> None:
    """Three servers that all hear each other."""
    assert blocked_ports("abc", [heard(1, 2), heard(0, 2), heard(0, 1)]) == []


def test_a_closed_port_is_named_with_its_direction() -> None:
    """What b did not hear from a is closed from a to b; the other direction works."""
    outputs = [heard(1), heard(0, but=("from 0 udp/4789", "from 0 tcp/7946"))]
    assert blocked_ports("ab", outputs) == [BlockedPorts("a", "b", ("7946/tcp", "4789/udp"))]
    assert str(BlockedPorts("a", "b", ("4789/udp",))) == "from a to b: 4789/udp"


def test_ports_of_a_running_swarm_are_not_judged() -> None:
    """A server whose engine listens on them already says so, and nothing is known about them."""
    busy = ["busy tcp/2377", "busy tcp/7946", "busy udp/7946", "busy udp/4789"]
    assert blocked_ports("ab", [busy, heard(0)]) == []


@pytest.mark.parametrize("name", ["ports.pl", "overlay.pl"])
def test_the_scripts_need_perl_base_only(name: str) -> None:
    """A server has perl-base, and perhaps not the rest of Perl."""
    script = (SCRIPTS / name).read_text()
    subprocess.run(["perl", "-c", "-e", script], check=True, capture_output=True)
    used = {line.split()[1].rstrip(";") for line in script.splitlines() if line.startswith("use ")}
    assert used <= {"strict", "warnings", "IO::Select", "IO::Handle", "Socket", "Fcntl"}


def test_what_serves_a_trial_ends_by_itself() -> None:
    """FTL that is killed leaves no container behind, which would keep the network in use."""
    script = (SCRIPTS / "overlay.pl").read_text()
    subprocess.run(["perl", "-e", script, "serve", "1"], check=True, capture_output=True, timeout=20)


def test_ports_are_tried_between_addresses() -> None:
    """Two servers, here two loopback addresses, hear each other on all four ports and end by themselves."""
    script = (SCRIPTS / "ports.pl").read_text()
    addresses = ("127.0.0.61", "127.0.0.62")
    running = [
        subprocess.Popen(
            [
                "perl",
                "-e",
                script,
                str(number),
                addresses[number],
                "8",
                f"{1 - number}={addresses[1 - number]}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (0, 1)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=20)[0].splitlines() for process in running]
    assert blocked_ports("ab", outputs) == []
