"""What ssh prints, in words that say what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ftl.common.next_step import plain
from ftl.errors import HostKeyChanged, LoginRefused
from ftl.ssh.failures import Attempt, failure, last_words
from ftl.ssh.target import Resolved, Target

SHOP = Attempt(Target("shop"), Resolved("203.0.113.5", "deploy", "2222", strict=False))

CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/.ssh/known_hosts:12
Host key for [203.0.113.5]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("output", "message", "hint"),
    [
        (
            "ssh: Could not resolve hostname 203.x: Name or service not known\r\n",
            "there is no host named shop (which ~/.ssh/config makes 203.0.113.5)",
            "DNS record",
        ),
        (
            "ssh: connect to host shop port 2222: Connection refused\r\n",
            "shop refuses connections on port 2222",
            "server.port",
        ),
        (
            "ssh: connect to host shop port 2222: Connection timed out\r\n",
            "shop does not answer on port 2222",
            "firewall",
        ),
        (
            "Connection timed out during banner exchange\r\nConnection to 203.0.113.5 port 2222 timed out",
            "shop does not answer on port 2222",
            "firewall",
        ),
        ("ssh: connect to host shop port 22: No route to host\r\n", "there is no way to shop", "VPN"),
        (
            "deploy@shop: Permission denied (publickey,password).\r\n",
            "shop does not let deploy in",
            "`ssh -p 2222 deploy@shop` must work",
        ),
        (
            "Received disconnect from 203.0.113.5 port 22:2: Too many authentication failures\r\n"
            "Disconnected from 203.0.113.5 port 22\r\n",
            "shop gave up before the right key was tried",
            "server.ssh_key",
        ),
        (
            "No ED25519 host key is known for shop and you have requested strict checking.\r\n"
            "Host key verification failed.\r\n",
            "the host key of shop is not known, and ~/.ssh/config lets only known ones pass",
            "fingerprint",
        ),
        (
            "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n"
            "Permissions 0644 for '/k/id' are too open.\n"
            'Load key "/k/id": bad permissions\r\ndeploy@shop: Permission denied (publickey).\r\n',
            "ssh does not use the key /k/id: others can read it",
            "`chmod 600 /k/id`",
        ),
        (
            "Warning: Identity file /k/id not accessible: No such file or directory.\n"
            "deploy@shop: Permission denied (publickey).\r\n",
            "the SSH key /k/id cannot be read",
            "server.ssh_key",
        ),
        (
            'Load key "/k/id": error in libcrypto\r\ndeploy@shop: Permission denied (publickey).\r\n',
            "the SSH key /k/id cannot be used",
            "private key",
        ),
        (
            "mux_client_request_session: session request failed: Session open refused by peer\r\n",
            "shop allows no further session on this connection",
            "MaxSessions",
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\r\n"
            "Connection closed by 203.0.113.5 port 22\r\n",
            "shop closed the connection before anybody could log in",
            "fail2ban",
        ),
        (
            "Unable to negotiate with 203.0.113.5 port 22: no matching host key type found. "
            "Their offer: ssh-rsa\r\n",
            "this ssh and the one on shop have no algorithm in common",
            "update",
        ),
        (
            'command-line line 0: unsupported option "accept-new".\r\n',
            "ssh does not accept its configuration",
            "7.6",
        ),
        (
            "/home/me/.ssh/config: line 3: Bad configuration option: hots\r\n"
            "/home/me/.ssh/config: terminating, 1 bad configuration options\r\n",
            "ssh does not accept its configuration",
            "~/.ssh/config",
        ),
        ("something new\n", "cannot connect to shop", "`ssh -p 2222 deploy@shop` must work"),
    ],
)
def test_each_failure_says_what_happened_why_and_what_to_do(output: str, message: str, hint: str) -> None:
    """Every kind of failure has its own sentence, ssh's own words as the cause, and a hint."""
    error = failure(SHOP, "Warning: Permanently added 'shop' to the list of known hosts.\n" + output)
    assert not isinstance(error, HostKeyChanged)
    assert isinstance(error, LoginRefused) is ("does not let" in message or "gave up" in message)
    assert error.message == message
    assert error.cause in [line.strip() for line in output.splitlines()]
    assert error.hint is not None
    assert hint in error.hint


@pytest.mark.parametrize(
    ("hostname", "is_named"),
    [("shop.example.com", True), ("203.0.113.5", False)],
    ids=["as written", "by ~/.ssh/config"],
)
def test_a_placeholder_in_place_of_a_server(hostname: str, is_named: bool) -> None:
    """`ftl init` writes one: no DNS record is missing, and a sandbox needs neither server nor domain."""
    attempt = Attempt(Target("shop.example.com"), Resolved(hostname, "deploy", "22", strict=False))
    error = failure(
        attempt, "ssh: Could not resolve hostname shop.example.com: Name or service not known\r\n"
    )
    assert error.message.startswith("there is no host named shop.example.com")
    assert ("is a placeholder: write your domain" in (error.hint or "")) is is_named


@pytest.mark.parametrize("sandbox", [True, False])
def test_a_sandbox_that_is_stopped_is_started_again(sandbox: bool) -> None:
    """Nobody looks for its SSH server, or for its port in ftl.yaml."""
    target = replace(SHOP.target, known_hosts=Path("known_hosts") if sandbox else None)
    error = failure(
        replace(SHOP, target=target), "ssh: connect to host shop port 2222: Connection refused\r\n"
    )
    assert (error.message == "the sandbox does not answer") is sandbox
    assert ("`ftl sandbox up` starts it again" in plain(error.hint or "")) is sandbox


def test_a_folder_in_place_of_a_key_is_left_as_it_is(tmp_path: Path) -> None:
    """`ssh_key: ~/.ssh` gets no advice that would lock the user out of that folder."""
    output = f"Permissions 0755 for '{tmp_path}' are too open.\ndeploy@shop: Permission denied (publickey).\n"
    error = failure(SHOP, output)
    assert error.message == f"the SSH key {tmp_path} is a folder"
    assert error.hint is not None
    assert "chmod" not in error.hint


def test_a_changed_host_key_names_the_line_that_forgets_it() -> None:
    """The command in the hint removes the entry under which ssh keeps a server on another port."""
    error = failure(SHOP, CHANGED)
    assert type(error) is HostKeyChanged
    assert error.hint is not None
    assert "`ssh-keygen -f '/home/me/.ssh/known_hosts' -R '[203.0.113.5]:2222'`" in error.hint


def test_the_usual_port_has_no_brackets_in_known_hosts() -> None:
    """On port 22 the entry is the host alone."""
    attempt = Attempt(Target("shop"), Resolved("shop", "me", "22", strict=False))
    error = failure(attempt, CHANGED)
    assert error.hint is not None
    assert "-R 'shop'`" in error.hint


def test_noise_is_not_a_cause() -> None:
    """Frames and notices are passed over in search of the last words."""
    assert last_words("reason\r\n@@@@@@\n\nWarning: Permanently added 'x'\n") == "reason"
    assert last_words("\n") is None
