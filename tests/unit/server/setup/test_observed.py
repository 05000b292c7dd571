"""What a server says of itself, read into values."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, ServerError
from ftl.server.setup.observed import read
from ftl.server.setup.systems import refuse_unknown

if TYPE_CHECKING:
    from ftl.server.setup import firewall


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
        ("udp 0A00000A:CA6C", None),
        ("udp 00000000:0035", (53, "udp")),
        ("tcp 0100007F:1538", None),
        ("tcp6 00000000000000000000000001000000:1538", None),
        ("tcp6 0000000000000000FFFF00000100007F:1538", None),
        ("udp 00000000:0044", None),
    ],
)
def test_what_listens_for_others_is_told_from_what_does_not(line: str, port: firewall.Port | None) -> None:
    """Loopback, a DHCP client's port and those of outgoing UDP do not count."""
    assert read(facts(listening=blob(line)), name="shop").listening == ({port} if port else set())


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
