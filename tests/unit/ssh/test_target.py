"""The options that ssh is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl.errors import UsageError
from ftl.ssh.target import ForwardDestination, Resolved, Target, client, master, options, resolved

CONFIG = Resolved("203.0.113.5", "deploy", "22", strict=False)


def master_options(resolved: Resolved = CONFIG, *, interactive: bool = False) -> list[str]:
    """Those of a connection that stays for a minute."""
    return master(
        Target("shop"),
        resolved,
        Path("/run/100%/x"),
        interactive=interactive,
        persist=60,
        log=Path("/run/100%/log"),
    )


@pytest.mark.parametrize(
    "host",
    ["shop.example.com", "shop", "203.0.113.5", "::1", "[2001:db8::1]", "fe80::1%eth0", "web_1", "x"],
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    """Every form of a host that ssh takes is taken."""
    assert Target(host).host == host


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "-oProxyCommand=id"},
        {"host": ""},
        {"host": "a b"},
        {"host": "a\tb"},
        {"host": "a;id"},
        {"host": "$(id)"},
        {"host": "shop/../x"},
        {"host": "shop", "user": "-oProxyCommand=id"},
        {"host": "shop", "user": "a b"},
        {"host": "shop", "user": "$(id)"},
        {"host": "shop", "key": Path('/home/"x')},
        {"host": "shop", "known_hosts": Path("/home/${HOME}/x")},
    ],
)
def test_what_ssh_would_read_as_something_else_is_refused(changes: dict[str, object]) -> None:
    """Options, spaces and a shell's characters never get into an argument of ssh."""
    with pytest.raises(UsageError):
        Target(**changes)  # type: ignore[arg-type]  # each is of its own type


def test_what_is_not_said_is_left_to_sshs_configuration() -> None:
    """Without port, user and key no option speaks of them."""
    words = options(Target("shop"))
    assert not {"-p", "-l", "-i", "IdentitiesOnly=yes"} & set(words)


def test_a_given_key_is_the_only_one_offered() -> None:
    """A key in ftl.yaml keeps the agent's others from being tried; a percent sign in its path is no token."""
    words = options(Target("shop", port=2222, user="deploy", key=Path("/keys/100%d")))
    assert "IdentitiesOnly=yes" in words
    assert words[words.index("-i") + 1] == "/keys/100%%d"
    assert words[words.index("-p") + 1] == "2222"
    assert words[words.index("-l") + 1] == "deploy"


@pytest.mark.parametrize(("strict", "expected"), [(False, "accept-new"), (True, "yes")])
def test_host_keys_are_checked_and_never_less_strictly_than_configured(strict: bool, expected: str) -> None:
    """A new host key is remembered, a changed one refused; `yes` in the configuration stays `yes`."""
    words = master_options(Resolved("shop", "me", "22", strict=strict))
    assert f"StrictHostKeyChecking={expected}" in words


@pytest.mark.parametrize(("interactive", "expected"), [(True, "no"), (False, "yes")])
def test_nothing_asks_without_a_terminal(interactive: bool, expected: str) -> None:
    """BatchMode is on exactly where nobody could answer."""
    assert f"BatchMode={expected}" in master_options(interactive=interactive)


def test_the_agent_is_not_forwarded_and_the_stream_is_not_compressed() -> None:
    """What a user's configuration may switch on for a shell is off for FTL."""
    words = master_options()
    assert {"-a", "-x", "Compression=no", "ClearAllForwardings=yes", "RemoteCommand=none"} <= set(words)
    assert "-C" not in words


def test_a_call_through_the_master_never_connects_by_itself() -> None:
    """Without the master's socket a call fails instead of logging in a second time."""
    words = client(Path("/run/x"))
    assert "ProxyCommand=false" in words
    assert words[words.index("-F") + 1] == "/dev/null"


def test_a_master_stays_in_the_background_and_logs_to_a_file() -> None:
    """Its socket's path has no tokens that ssh expands; ssh expands none in that of the log."""
    words = master_options()
    assert "ControlPersist=60" in words
    assert words[words.index("-S") + 1] == "/run/100%%/x"
    assert words[words.index("-E") + 1] == "/run/100%/log"


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        (ForwardDestination("10.0.0.2", 5432), "10.0.0.2:5432"),
        (ForwardDestination("2001:db8::1", 80), "[2001:db8::1]:80"),
        (ForwardDestination("/var/run/docker.sock"), "/var/run/docker.sock"),
    ],
)
def test_a_destination_is_written_as_ssh_reads_it(destination: ForwardDestination, text: str) -> None:
    """An address, an IPv6 address, and a socket."""
    assert str(destination) == text


@pytest.mark.parametrize(
    ("host", "port"), [("", 80), ("a b", 80), ("[::1]", 80), ("x/y", 80), ("x", 0), ("x", 65536)]
)
def test_what_ssh_would_read_as_another_destination_is_refused(host: str, port: int) -> None:
    """No spaces, brackets, slashes or impossible ports."""
    with pytest.raises(UsageError):
        ForwardDestination(host, port)


def test_what_ssh_resolved_is_read() -> None:
    """`ssh -G` tells host name, user, port, all keys, and whether only known servers pass."""
    output = (
        "host shop\nuser deploy\nhostname 203.0.113.5\nport 2222\nstricthostkeychecking true\n"
        "identityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519\nnothing\n"
    )
    assert resolved(output) == Resolved(
        "203.0.113.5",
        "deploy",
        "2222",
        strict=True,
        keys=("~/.ssh/id_rsa", "~/.ssh/id_ed25519"),
        configuration=output,
    )


@pytest.mark.parametrize(
    ("line", "shares"),
    [
        ("controlmaster false", False),
        ("controlmaster auto", True),
        ("controlmaster true", True),
        ("controlpersist no", False),
        ("controlpersist 600", True),
        ("controlpath /home/me/.ssh/x", True),
    ],
)
def test_a_configuration_that_shares_connections_is_noticed(line: str, shares: bool) -> None:
    """Ssh 9.2 prints ControlMaster and ControlPersist with their defaults, ControlPath only where it is set."""
    assert resolved(f"host shop\n{line}\n").shares is shares


def test_an_ordinary_configuration_is_not_strict() -> None:
    """`ask`, the default, lets a new server's key be remembered."""
    assert not resolved("stricthostkeychecking ask\n").strict


def test_a_configuration_cannot_keep_ssh_from_running_commands() -> None:
    """`StdinNull yes` and its like are overridden, where ssh knows them (R-8): from OpenSSH 8.7 on."""
    new = resolved("hostname shop\nstdinnull yes\nforkafterauthentication yes\nsessiontype none\n")
    words = master_options(new)
    assert {"StdinNull=no", "ForkAfterAuthentication=no", "SessionType=default"} <= set(words)
    assert not any("StdinNull" in word for word in master_options(resolved("hostname shop\n")))
