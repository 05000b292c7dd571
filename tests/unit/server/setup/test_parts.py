"""The parts of setup that read and write texts."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.server.setup.world import BOOKWORM, KEY

from ftl.config import Server
from ftl.errors import FtlError, ServerError, UsageError
from ftl.server.setup import becoming_root, daemon, failures, firewall, public_keys, scripts, steps
from ftl.server.setup.observed import read
from ftl.server.setup.systems import docker_packages, refuse_unknown
from ftl.ssh.target import Resolved

if TYPE_CHECKING:
    from pathlib import Path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["live-restore", "log-driver", "log-opts", "debug", "dns"]) | st.text()


# --- Docker's settings ------------------------------------------------------------------------------


@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_what_docker_is_told_stays_as_it_is(there: dict[str, object]) -> None:
    """Every key that was there keeps its value (log-opts may gain some), and merging again changes nothing."""
    made = daemon.merged(json.dumps(there).encode(), name="shop")
    after: dict[str, Any] = there if made is None else json.loads(made)
    for key, value in there.items():
        if key == "log-opts" and isinstance(value, dict):
            assert value.items() <= after[key].items()
        else:
            assert after[key] == value
    assert daemon.merged(json.dumps(after).encode(), name="shop") is None


@pytest.mark.parametrize(
    ("there", "arguments", "swarm", "expected"),
    [
        (None, (), False, {"live-restore", "log-driver", "log-opts"}),
        (b"", (), False, {"live-restore", "log-driver", "log-opts"}),
        (b'{"log-driver": "journald"}', (), False, {"live-restore", "log-driver"}),
        (None, ("dockerd", "--log-driver=local"), False, {"live-restore"}),
        (None, ("dockerd", "--live-restore"), False, {"log-driver", "log-opts"}),
        (None, (), True, {"log-driver", "log-opts"}),
    ],
)
def test_docker_is_told_nothing_that_it_would_not_start_with(
    there: bytes | None, arguments: tuple[str, ...], swarm: bool, expected: set[str]
) -> None:
    """No settings that its command line has, none of another log driver, no live-restore in a swarm."""
    made = daemon.merged(there, arguments, swarm=swarm, name="shop")
    assert made is not None
    assert json.loads(made).keys() == expected


# --- the firewall -----------------------------------------------------------------------------------


def test_lines_that_somebody_added_to_the_firewall_stay() -> None:
    """What is open stays open; ports are added once."""
    first = firewall.wanted(None, [(22, "tcp"), *firewall.WEB], owner="own")
    more = first + b"allow 51820/udp\nallow nonsense\n"
    second = firewall.wanted(more, [(22, "tcp"), (2222, "tcp"), *firewall.WEB], owner="own")
    assert firewall.allowed(second) == (*firewall.allowed(first), (51820, "udp"), (2222, "tcp"))
    assert firewall.wanted(second, [(22, "tcp")], owner="own") == second


UFW = """\
Added user rules (see 'ufw status' for running firewall):
ufw limit OpenSSH
ufw allow 80,443/tcp
ufw allow from 10.0.8.0/24 to any port 5432 proto tcp
ufw allow from 192.0.2.53 to any port 53
ufw deny 8443
""".splitlines()


@pytest.mark.parametrize(
    ("port", "is_missing"),
    [
        ((22, "tcp"), False),
        ((2222, "tcp"), True),
        ((80, "tcp"), False),
        ((443, "tcp"), False),
        ((443, "udp"), True),
        ((5432, "tcp"), False),
        ((5432, "udp"), True),
        ((53, "udp"), False),
        ((8443, "tcp"), False),
        ((24, "tcp"), True),
        ((192, "tcp"), True),
    ],
)
def test_a_port_that_ufw_has_a_rule_about_is_left_to_it(port: firewall.Port, is_missing: bool) -> None:
    """Whatever the rule says: who restricted a port meant it."""
    assert bool(firewall.missing_in_ufw(UFW, [port])) is is_missing


# --- what a server says -----------------------------------------------------------------------------


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


# --- becoming root ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message", "may_ask"),
    [
        ("ftl-root\tno-sudo\t", "there is no sudo", False),
        ("ftl-root\tpassword\tdeploy docker", "wants deploy's password", False),
        ("ftl-root\tpassword\tdeploy sudo", "wants deploy's password", True),
        ("ftl-root\trefused\tdeploy is not in the sudoers file.", "may not use sudo", False),
        ("ftl-root\trefused\tSorry, try again.", "does not take the password", False),
    ],
)
def test_why_we_are_not_root_is_said_with_a_next_step(line: str, message: str, may_ask: bool) -> None:
    """Each reason has its sentence; a password is asked for where there may be one."""
    found = becoming_root.read(["Welcome!", line, "more"])
    assert found is not None
    answer, taken = found
    assert taken == 2
    assert answer.may_ask is may_ask
    error = becoming_root.refusal(answer, user="deploy", server="shop")
    assert message in error.message
    assert error.hint


def test_a_password_is_one_line() -> None:
    """Otherwise its second line would be the script's input."""
    assert becoming_root.first_line("s3cret") == b"s3cret\n"
    with pytest.raises(ServerError):
        becoming_root.first_line("s3\ncret")


# --- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "is_key"),
    [
        (KEY, True),
        (KEY.rpartition(" ")[0], True),
        ("sk-ssh-ed25519@openssh.com " + KEY.split()[1], True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", False),
        ("The agent has no identities.", False),
        (f"{KEY}\nssh-rsa AAAA", False),
        (f'command="sh" {KEY}', False),
    ],
)
def test_only_a_public_key_is_written_into_authorized_keys(line: str, is_key: bool) -> None:
    """One key, and nothing that would give it more or less rights."""
    assert (public_keys.parse(line) is not None) is is_key


async def keys_of(server: Server, *files: Path) -> tuple[str, ...]:
    """The keys that ssh would offer with these files and no agent."""
    resolved = Resolved("shop", "deploy", "22", strict=False, keys=tuple(map(str, files)))
    return await public_keys.public_keys(server, resolved, {})


def test_the_key_is_the_one_that_ssh_would_use(tmp_path: Path) -> None:
    """`server.ssh_key` alone if it is named, made from the private half if need be; else ssh's usual files."""
    import asyncio

    one, other = tmp_path / "one", tmp_path / "other"
    for key in (one, other):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    written = other.with_suffix(".pub").read_text().strip()
    body = one.with_suffix(".pub").read_text().split()[1]
    one.with_suffix(".pub").unlink()

    named = asyncio.run(keys_of(Server(host="shop", ssh_key=str(one)), other))
    assert [key.split()[1] for key in named] == [body]
    assert asyncio.run(keys_of(Server(host="shop"), tmp_path / "none", other)) == (written,)
    with pytest.raises(UsageError, match="no public key"):
        asyncio.run(keys_of(Server(host="shop", ssh_key=str(tmp_path / "none"))))


# --- systems, failures, scripts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "version", "known"),
    [
        ("debian", "10", False),
        ("debian", "11", True),
        ("debian", "13", True),
        ("debian", "14", False),
        ("debian", "", False),
        ("ubuntu", "18.04", False),
        ("ubuntu", "20.04", True),
        ("ubuntu", "22.04", True),
        ("ubuntu", "24.04", True),
        ("ubuntu", "24.10", False),
        ("linuxmint", "22", False),
    ],
)
def test_systems_are_known_by_their_version(id_: str, version: str, known: bool) -> None:
    """Debian 11 to 13, Ubuntu 20.04 to 24.04, and nothing that is merely like them."""
    from dataclasses import replace

    system = replace(BOOKWORM, id=id_, version=version)
    if known:
        refuse_unknown(system, name="shop", user="deploy")
        assert docker_packages(system)[0] == "docker.io"
        return
    with pytest.raises(FtlError, match="does not know") as caught:
        refuse_unknown(system, name="shop", user="deploy")
    assert "by hand" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "make room"),
        ("dpkg: error processing archive x: cannot write: No space left on device", "make room"),
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)",
            "another program",
        ),
        ('level=error msg="unable to configure the Docker daemon with file x"', "daemon.json"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "dpkg --configure -a"),
        ("Err:1 http://mirror.example.com stable\n  Could not resolve 'mirror.example.com'", "cannot reach"),
        ("E: Unable to locate package docker.io", "package sources"),
        ("something new", "stays"),
    ],
)
def test_what_apt_says_becomes_a_next_step(said: str, hint: str) -> None:
    """The cause in apt's words, and its last lines below."""
    error = failures.step_failed(steps.InstallPackages(("zstd",)), ["", *said.splitlines()], server="shop")
    assert error.message == "shop could not install zstd"
    assert error.cause is not None
    assert error.cause.strip() in said
    assert hint in (error.hint or "")
    assert error.details[-1] in said


@pytest.mark.parametrize(
    "script", [scripts.as_root(), scripts.observe(), scripts.hand(), scripts.firewall().decode()], ids=len
)
def test_scripts_can_be_read_by_any_shell_and_passed_as_an_argument(script: str) -> None:
    """They parse, and are shorter than one argument may be (MAX_ARG_STRLEN, 128 KiB), with room for quotes."""
    subprocess.run(("sh", "-n"), input=script.encode(), check=True)
    assert len(script.replace("'", "'\"'\"'")) < 100_000


def test_every_step_is_one_that_the_server_knows() -> None:
    """The dispatcher names the verb of each, and there is a function of that name."""
    kinds = [kind for kind in vars(steps).values() if isinstance(kind, type) and issubclass(kind, steps.Step)]
    verbs = {kind.verb for kind in kinds if kind is not steps.Step}
    script = scripts.hand()
    dispatched = next(line for line in script.splitlines() if line.strip().startswith("refresh |"))
    assert verbs <= set(dispatched.strip().rstrip(")").split(" | "))
    assert all(f"do_{verb}() {{" in script for verb in verbs)


def test_registries_that_are_named_insecure_are_added() -> None:
    """To those that the file has; nothing is added twice, and nothing where ftl.yaml names none."""
    there = b'{"insecure-registries": ["10.0.0.9:5000"]}'
    made = daemon.merged(there, insecure=("10.0.0.5:5000", "10.0.0.9:5000"), name="shop")
    assert made is not None
    assert json.loads(made)["insecure-registries"] == ["10.0.0.9:5000", "10.0.0.5:5000"]
    assert daemon.merged(made, insecure=("10.0.0.5:5000",), name="shop") is None
    plain = daemon.merged(None, name="shop")
    assert plain is not None
    assert "insecure-registries" not in json.loads(plain)
