"""Facts about a server, read into values."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, ServerError
from ftl.server.setup.observe.reader import read
from ftl.server.setup.plan.systems import refuse_unsupported

if TYPE_CHECKING:
    from ftl.server.setup.ports import ServerPort

UBUNTU = ('NAME="Ubuntu"', "ID=ubuntu", 'VERSION_ID="24.04"', "VERSION_CODENAME=noble")


def blob(text: str) -> str:
    """A value that may have line breaks."""
    return base64.b64encode(text.encode()).decode()


def facts(*release: str, **more: str) -> str:
    """The script's output on a minimal server."""
    values = {
        "login": "ubuntu",
        "user": "deploy",
        "architecture": "arm64",
        "disk": "/dev/vda1 100 40 50 45% /",
        "memory": "SwapTotal: 1024 kB",
        "ssh-port": "22",
        "connection": "192.0.2.1 50000 192.0.2.9 2222",
        "end": "yes",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    lines = [
        *(f"os-release\t{line}" for line in release or UBUNTU),
        *(f"{name}\t{value}" for name, value in values.items()),
    ]
    return "".join(f"{line}\n" for line in lines)


def test_a_silent_ufw_is_an_error() -> None:
    """It is not mistaken for an inactive one, whose rules would be ignored."""
    with pytest.raises(ServerError, match="ufw does not answer on shop") as caught:
        read(facts(ufw_silent="yes"), name="shop")
    assert "sudo ufw status" in (caught.value.hint or "")


def test_a_minimal_server_is_read() -> None:
    """Its system, and all ports of its SSH server: configured, the socket's, and the one of this connection."""
    server = read(facts(ssh_socket="[::]:2022 (Stream)", ufw=blob("ufw allow 22")), name="shop")
    assert (server.system.id, server.system.version, server.system.codename) == ("ubuntu", "24.04", "noble")
    assert server.sshd.ports == (22, 2022, 2222)
    assert server.ufw_rules == ("ufw allow 22",)
    assert server.account is None
    assert server.engine is None
    assert (server.free, server.swap) == (50 * 1024, 2**20)


@pytest.mark.parametrize(
    ("protocol", "address", "port"),
    [
        ("tcp", "00000000:0016", (22, "tcp")),
        ("tcp", "00000000000000000000000000000000:1538", (5432, "tcp")),
        ("udp", "0A00000A:CA6C", (51820, "udp")),
        ("udp", "0A00000A:CA6D", None),
        ("udp", "0A00000A:EE48", (61000, "udp")),
        ("udp", "00000000:0035", (53, "udp")),
        ("tcp", "0100007F:1538", None),
        ("tcp", "00000000000000000000000001000000:1538", None),
        ("tcp", "0000000000000000FFFF00000100007F:1538", None),
        ("udp", "00000000:0044", None),
        ("tcp", "nonsense", None),
    ],
)
def test_ports_that_other_machines_can_reach(protocol: str, address: str, port: ServerPort | None) -> None:
    """Loopback, a DHCP client's port and those of UDP clients do not count; a VPN's do, however high."""
    server = read(facts(**{protocol: address}), name="shop")
    assert server.listening == ({port} if port else set())
    assert server.vpn_ports == ({port} if port == (51820, "udp") else set())


def test_wireguard_on_another_port_is_a_vpn() -> None:
    """`wg` prints its port; an interface that is down listens nowhere."""
    server = read(facts(wireguard="40000"), name="shop")
    assert server.listening == server.vpn_ports == {(40000, "udp")}
    assert read(facts(wireguard="0"), name="shop").listening == set()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("", set()),
        ("5000/tcp", set()),
        ("127.0.0.1:5432->5432/tcp, [::1]:5432->5432/tcp, ::1:5432->5432/tcp", set()),
        ("0.0.0.0:8099->8000/tcp, :::8099->8000/tcp", {(8099, "tcp")}),
        ("[::]:53->53/udp, 10.0.0.5:54->53/udp", {(53, "udp"), (54, "udp")}),
        ("0.0.0.0:9000-9002->9000-9002/tcp, 22/tcp", {(9000, "tcp"), (9001, "tcp"), (9002, "tcp")}),
    ],
)
def test_published_ports_are_read(column: str, expected: set[ServerPort]) -> None:
    """As docker 20.10 and newer ones print them; ports bound to loopback are out of others' reach."""
    assert read(facts(foreign_ports=column), name="shop").foreign_ports == expected


def test_an_engine_that_is_down_is_no_engine() -> None:
    """Newer docker commands print zeros for it, and exit with 0."""
    assert read(facts(engine="false  0"), name="shop").engine is None


def test_control_characters_are_removed_from_the_system_s_name() -> None:
    """What the server calls itself cannot move the terminal's cursor."""
    release = ("ID=debian", "VERSION_ID=²", 'PRETTY_NAME="Debian \x1b]0;mine\x07 12"')
    system = read(facts(*release), name="shop").system
    assert system.name == "Debian ]0;mine 12"
    with pytest.raises(FtlError, match="does not support"):
        refuse_unsupported(system, name="shop", user="deploy")


@pytest.mark.parametrize(
    "output", ["", "login\troot\n", facts(user=""), facts(engine="true inactive many"), facts(daemon="{")]
)
def test_facts_that_make_no_sense_are_an_error(output: str) -> None:
    """With the server's name, however little it printed."""
    with pytest.raises(ServerError, match="shop"):
        read(output, name="shop")


def test_what_sshd_has_not_read_is_read() -> None:
    """Its files, and the blocks that let in by password."""
    block = "/etc/ssh/sshd_config: Match User backup"
    server = read(facts(sshd_unread="/etc/ssh/sshd_config", sshd_exception=block), name="shop")
    assert (server.sshd.unread, server.sshd.exceptions) == (("/etc/ssh/sshd_config",), (block,))
