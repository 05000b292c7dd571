"""What an SSH server says of its logins, as ssh prints it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from ftl.errors import LoginRefused, ServerError
from ftl.server.setup.apply.offered import offered_logins
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from pathlib import Path

# ssh: the configuration of `-G`, or what it prints and its status.
SSH = """#!/bin/sh
if [ "$1" = -G ]; then printf 'user deploy\\nhostname Shop.example.com\\nport 22\\n'; exit; fi
cat "${0%/*}/messages" >&2
exit "$(cat "${0%/*}/status")"
"""
OWN = "deploy@shop.example.com: Permission denied (publickey,password).\r\n"
JUMP = "ops@jump.example.com: Permission denied (publickey).\r\n"
CUT = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n"


def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, messages: str, status: int = 255) -> tuple[str, ...]:
    """Ask a server of which ssh prints this."""
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    (folder / "messages").write_bytes(messages.encode())
    (folder / "status").write_text(str(status))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return asyncio.run(offered_logins(Target("shop", user="deploy")))


def test_the_server_says_what_it_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the ways to log in; or it lets in without anything."""
    for banner in ("Authorised use only!\n", "No newline!", "*****"):
        assert ask(tmp_path, monkeypatch, f"{banner}{OWN}") == ("publickey", "password")
    assert ask(tmp_path, monkeypatch, "Welcome\n", status=0) == ("none",)


def test_the_answer_of_a_jump_host_is_not_the_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ssh prints to the same place (ProxyJump): "publickey" there does not mean that passwords are closed."""
    with pytest.raises(ServerError, match="a jump host refuses ops@jump") as caught:
        ask(tmp_path, monkeypatch, JUMP + CUT)
    assert not isinstance(caught.value, LoginRefused)
    assert ask(tmp_path, monkeypatch, JUMP + OWN) == ("publickey", "password")


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for all other connections."""
    with pytest.raises(ServerError, match="shop closed the connection"):
        ask(tmp_path, monkeypatch, CUT)
