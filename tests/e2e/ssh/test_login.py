"""Being let in by a real sshd, or not, and what is said then."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from tests.e2e.ssh.stage import PATIENCE, run
from tests.e2e.support.sshd import Sshd, free_port, make_key

from ftl.errors import HostKeyChanged, ServerError, UsageError
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.server


def refusal(target: Target) -> ServerError:
    """The error of a connection that must not come to be."""

    async def work() -> None:
        async with connect(target, interactive=False):
            pass

    with pytest.raises(ServerError) as caught:
        asyncio.run(work())
    return caught.value


def test_an_unknown_host_is_named() -> None:
    """A host name that resolves to nothing says so, with exit code 3."""
    error = refusal(Target("no-such-host.invalid"))
    assert "no host named no-such-host.invalid" in error.message
    assert error.exit_code == 3


def test_a_closed_port_is_named() -> None:
    """A port that nothing listens on says which."""
    port = free_port()
    error = refusal(Target("127.0.0.1", port=port))
    assert f"refuses connections on port {port}" in error.message
    assert error.cause is not None
    assert "Connection refused" in error.cause


def test_a_refused_key_is_named(sshd: Sshd, tmp_path: Path) -> None:
    """A key the server does not know says who was refused and which key was offered."""
    stranger = make_key(tmp_path / "stranger")
    error = refusal(sshd.target(key=stranger, user="somebody"))
    assert error.message == "127.0.0.1 does not let somebody in"
    assert error.hint is not None
    assert str(stranger) in error.hint
    assert f"-p {sshd.port} somebody@127.0.0.1" in error.hint


def test_a_missing_key_file_is_named(sshd: Sshd, tmp_path: Path) -> None:
    """A private key that is not there is said to be missing, not to be refused."""
    error = refusal(sshd.target(key=tmp_path / "gone"))
    assert error.message == f"the SSH key {tmp_path / 'gone'} cannot be read"


def test_a_key_that_others_can_read_is_refused_with_the_command_that_helps(sshd: Sshd) -> None:
    """What ssh says about a world-readable key becomes a chmod to type."""
    sshd.key.chmod(0o644)
    error = refusal(sshd.target())
    assert "others can read it" in error.message
    assert error.hint == f"`chmod 600 {sshd.key}`"


def test_a_key_with_a_passphrase_asks_for_the_agent_when_there_is_no_terminal(
    sshd: Sshd, tmp_path: Path
) -> None:
    """Without a terminal an encrypted key is an error that names ssh-add, not one that waits."""
    locked = make_key(tmp_path / "locked", passphrase="correct horse")
    error = refusal(sshd.target(key=locked))
    assert "has a passphrase" in error.message
    assert error.hint == f"`ssh-add {locked}` gives it to the agent"


def test_a_changed_host_key_is_refused_with_the_line_that_forgets_the_old_one(sshd: Sshd) -> None:
    """A server with another host key is not spoken to; the hint's command makes it acceptable again."""
    run(_visit(sshd.target()))
    sshd.new_host_key()
    error = refusal(sshd.target())
    assert isinstance(error, HostKeyChanged)
    assert error.exit_code == 3
    assert error.hint is not None
    command = re.search(r"`(ssh-keygen .+?)`", error.hint)
    assert command is not None
    subprocess.run(["sh", "-c", command[1]], check=True, capture_output=True)
    run(_visit(sshd.target()))


async def _visit(target: Target) -> None:
    async with connect(target, interactive=False):
        pass


def test_a_new_servers_host_key_is_remembered(sshd: Sshd) -> None:
    """The first connection writes the host key down, for the second one to check."""
    run(_visit(sshd.target()))
    _kind, key, *_comment = (sshd.folder / "host.pub").read_text().split()
    assert key in sshd.known_hosts.read_text()


def test_a_server_that_gives_up_on_too_many_keys_says_so(tmp_path: Path) -> None:
    """Too many offered keys are told apart from a wrong key."""
    server = Sshd(tmp_path, settings=("MaxAuthTries 1",))
    server.start()
    try:
        error = refusal(server.target(key=make_key(tmp_path / "other")))
    finally:
        server.stop()
    assert "gave up before the right key was tried" in error.message


def test_a_login_that_runs_no_commands_is_told_apart(tmp_path: Path) -> None:
    """An account with a forced command is reported with that command's own words."""
    server = Sshd(tmp_path, settings=("ForceCommand echo only git here; exit 1",))
    server.start()
    try:
        error = refusal(server.target())
    finally:
        server.stop()
    assert "cannot run commands on 127.0.0.1" in error.message
    assert error.cause == "only git here"


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch /tmp/owned", "a b", "a;b", "$(id)", "", "a\nb", "`id`"]
)
def test_a_host_that_ssh_or_a_shell_would_read_as_something_else_is_refused(host: str) -> None:
    """What is not the name of a host never becomes an argument of ssh."""
    with pytest.raises(UsageError):
        Target(host)


def test_without_ssh_on_this_machine_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing ssh program is named, with the package that has it."""
    monkeypatch.setenv("PATH", "/nonexistent")
    error = refusal(Target("127.0.0.1"))
    assert "no `ssh` on this machine" in error.message


def test_a_passphrase_can_be_typed_where_there_is_a_terminal(sshd: Sshd, tmp_path: Path) -> None:
    """On a terminal ssh asks for the key's passphrase, and the connection goes on with it."""
    locked = make_key(tmp_path / "locked", passphrase="correct horse")
    (tmp_path / "authorized").write_text((tmp_path / "locked.pub").read_text())
    program = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from ftl.ssh.target import Target
        from ftl.ssh.openssh import connect

        async def work():
            target = Target("127.0.0.1", {sshd.port}, None, Path({str(locked)!r}), Path({str(sshd.known_hosts)!r}))
            async with connect(target) as machine:
                print((await machine.run(["echo", "let", "in"])).stdout.decode())

        asyncio.run(work())
    """)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    said = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        while b"let in" not in said:
            assert select.select([screen], [], [], PATIENCE)[0], said
            said += screen.read(1000)
            if said.endswith(b"locked': "):
                screen.write(b"correct horse\n")
    os.waitpid(child, 0)
