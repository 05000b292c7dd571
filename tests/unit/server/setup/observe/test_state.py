"""What a server says of itself, read into values."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, ServerError
from ftl.server.setup.observe.state import read
from ftl.server.setup.plan.systems import refuse_unknown

if TYPE_CHECKING:
    from ftl.server.setup import ports


def blob(text: str) -> str:
    """A fact with lines of its own."""
    return base64.b64encode(text.encode()).decode()


def facts(**more: str) -> bytes:
    """What the script says of a server that has little."""
    said = {
        "login": "ubuntu",
        "user": "deploy",
        "os-release": blob('NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'),
        "architecture": "arm64",
        "free": "5000",
        "ssh-port": "22",
        "connection": "192.0.2.1 50000 192.0.2.9 2222",
        "end": "yes",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return "".join(f"{name}\t{value}\n" for name, value in said.items()).encode()


def test_a_firewall_that_does_not_answer_is_not_taken_for_none() -> None:
    """Its rules would be passed over."""
    with pytest.raises(ServerError, match="ufw does not answer on shop") as caught:
        read(facts(**{"ufw-silent": "yes"}), name="shop")
    assert "sudo ufw status" in (caught.value.hint or "")


def test_what_a_server_says_is_read() -> None:
    """Its system, and all ports of its SSH server: configured, the socket's, and the one that we came in by."""
    found = read(facts(ssh_socket="[::]:2022 (Stream)", ufw=blob("ufw allow 22")), name="shop")
    assert (found.system.id, found.system.version, found.system.codename) == ("ubuntu", "24.04", "noble")
    assert found.sshd.ports == (22, 2022, 2222)
    assert found.ufw == ("ufw allow 22",)
    assert found.account is None
    assert found.engine is None
    assert found.free == 5000


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("tcp 00000000:0016", (22, "tcp")),
        ("tcp6 00000000000000000000000000000000:1538", (5432, "tcp")),
        ("udp 0A00000A:CA6C", (51820, "udp")),
        ("udp 0A00000A:CA6D", None),
        ("udp 0A00000A:EE48", (61000, "udp")),
        ("udp 00000000:0035", (53, "udp")),
        ("tcp 0100007F:1538", None),
        ("tcp6 00000000000000000000000001000000:1538", None),
        ("tcp6 0000000000000000FFFF00000100007F:1538", None),
        ("udp 00000000:0044", None),
    ],
)
def test_what_listens_for_others_is_told_from_what_does_not(line: str, port: ports.Port | None) -> None:
    """Loopback, a DHCP client's port and those of outgoing UDP do not count; a VPN's do, however high."""
    found = read(facts(listening=blob(line)), name="shop")
    assert found.listening == ({port} if port else set())
    assert found.tunnels == ({port} if port == (51820, "udp") else set())


def test_a_wireguard_at_a_port_of_its_own_is_known() -> None:
    """`wg` says where it listens; an interface that is down listens nowhere."""
    found = read(facts(wireguard="40000"), name="shop")
    assert found.listening == found.tunnels == {(40000, "udp")}
    assert read(facts(wireguard="0"), name="shop").listening == set()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("", set()),
        ("5000/tcp", set()),
        ("127.0.0.1:5432->5432/tcp, [::1]:5432->5432/tcp, ::1:5432->5432/tcp", set()),
        ("0.0.0.0:8099->8000/tcp, :::8099->8000/tcp", {(8099, "tcp")}),
        ("[::]:53->53/udp, 10.0.0.5:54->53/udp", {(53, "udp"), (54, "udp")}),
        ("0.0.0.0:9000-9002->9000-9002/tcp, 22/tcp", {(9000, "tcp"), (9001, "tcp"), (9002, "tcp")}),
    ],
)
def test_what_containers_publish_is_read(shown: str, expected: set[ports.Port]) -> None:
    """As docker 20.10 and newer ones show it; what is bound to loopback is for nobody else."""
    assert read(facts(foreign_ports=shown), name="shop").published == expected


def test_an_engine_that_does_not_answer() -> None:
    """Newer docker commands print zeros for an engine that is down, and call that a success."""
    assert read(facts(engine="false  0"), name="shop").engine is None


def test_a_system_s_name_does_not_move_the_cursor() -> None:
    """What the server calls itself is shown without its control characters."""
    release = 'ID=debian\nVERSION_ID=²\nPRETTY_NAME="Debian \x1b]0;mine\x07 12"\n'
    system = read(facts(**{"os-release": blob(release)}), name="shop").system
    assert system.name == "Debian ]0;mine 12"
    with pytest.raises(FtlError, match="does not know"):
        refuse_unknown(system, name="shop", user="deploy")


@pytest.mark.parametrize(
    "said", [b"", b"login\troot\n", facts(free="many"), facts(engine="true inactive many"), facts(daemon="{")]
)
def test_a_server_that_makes_no_sense_is_an_error_in_words(said: bytes) -> None:
    """However little it says."""
    with pytest.raises(ServerError, match="shop"):
        read(said, name="shop")
