"""Which connections are kept, under which names, and where."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.ssh.multiplexing.kept import (
    Persistence,
    connection_name,
    first_private,
    kept_files,
    own_files,
    runtime_folder,
    seconds_to_keep,
)
from ftl.ssh.multiplexing.runtime import LONGEST_FOLDER
from ftl.ssh.target import Resolved, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = Target("shop", port=22, user="deploy")
RESOLVED = Resolved("203.0.113.5", "deploy", "22", strict=False, configuration="host shop\n")


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """An environment with a runtime folder of its own, whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield {"XDG_RUNTIME_DIR": folder}


@pytest.mark.parametrize(
    ("seconds", "shares", "ci", "expected"),
    [
        (60.0, False, None, 60),
        (0.5, False, "", 1),
        (0.0, False, None, 0),
        (60.0, True, None, 0),
        (60.0, False, "true", 0),
        (60.0, False, "1", 0),
        (60.0, False, "false", 60),
    ],
)
def test_when_a_connection_is_kept(seconds: float, shares: bool, ci: str | None, expected: int) -> None:
    """As long as ftl.yaml says, in whole seconds; never in CI, nor where the user's ssh shares connections."""
    environ = {} if ci is None else {"CI": ci}
    assert seconds_to_keep(Persistence(seconds), replace(RESOLVED, shares=shares), environ) == expected


@pytest.mark.parametrize(
    ("target", "resolved", "seconds", "environ"),
    [
        (replace(SHOP, user="root"), RESOLVED, 60, {}),
        (replace(SHOP, port=2222), RESOLVED, 60, {}),
        (replace(SHOP, host="blog"), RESOLVED, 60, {}),
        (replace(SHOP, key=Path("/keys/other")), RESOLVED, 60, {}),
        (replace(SHOP, known_hosts=Path("/known")), RESOLVED, 60, {}),
        (SHOP, replace(RESOLVED, configuration="host shop\nproxyjump bastion\n"), 60, {}),
        (SHOP, RESOLVED, 61, {}),
        (SHOP, RESOLVED, 60, {"SSH_AUTH_SOCK": "/tmp/agent"}),
    ],
)
def test_what_makes_another_connection_has_another_name(
    target: Target, resolved: Resolved, seconds: int, environ: dict[str, str]
) -> None:
    """Another user, port, host, key or known_hosts, another ssh configuration, another time, another agent."""
    name = connection_name(SHOP, RESOLVED, 60, {})
    assert connection_name(SHOP, RESOLVED, 60, {}) == name
    assert connection_name(target, resolved, seconds, environ) != name


def test_the_folder_is_private_and_short(environ: dict[str, str]) -> None:
    """Nobody else may open what is in it, and macOS ends a socket's path at 104 bytes."""
    folder = runtime_folder(environ)
    assert folder == Path(environ["XDG_RUNTIME_DIR"], "ftl")
    assert folder.stat().st_mode & 0o777 == 0o700
    longest = {"XDG_RUNTIME_DIR": f"/tmp/{'x' * 60}"}
    assert runtime_folder(longest) in {
        Path(where, f"ftl-{os.getuid()}") for where in (tempfile.gettempdir(), "/tmp")
    }
    files = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert files is not None
    try:
        below = len(str(files.socket)) - len(str(folder))
        assert LONGEST_FOLDER + below + 17 <= 104
        assert LONGEST_FOLDER + len(str(files.folder / "dial999")) - len(str(folder)) <= 104
    finally:
        files.remove()


@pytest.mark.parametrize("spoil", ["open", "link", "file"])
def test_a_folder_that_somebody_else_prepared_is_not_used(environ: dict[str, str], spoil: str) -> None:
    """One that others may enter, a link and a file are passed over."""
    folder = Path(environ["XDG_RUNTIME_DIR"], "ftl")
    if spoil == "open":
        folder.mkdir()
        folder.chmod(0o755)
    elif spoil == "link":
        (folder.parent / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(folder.parent / "elsewhere")
    else:
        folder.touch()
    assert first_private([folder]) is None
    assert first_private([folder, folder.with_name("next")]) == folder.with_name("next")
    files = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert files is None or folder not in files.folder.parents


def test_commands_share_a_connections_folder_and_each_has_its_own(environ: dict[str, str]) -> None:
    """The last one takes what is left of a connection that never came to be."""
    one, other = (kept_files(SHOP, RESOLVED, Persistence(60.0), environ) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.socket == other.socket
    assert one.folder != other.folder
    assert not one.remove()
    assert other.folder.exists()
    assert not other.remove()
    assert kept_files(Target("blog"), RESOLVED, Persistence(60.0), environ) is not None
    assert not one.socket.parent.exists()


def test_a_retired_connection_is_not_used_again_and_ends_with_its_last_command(
    environ: dict[str, str],
) -> None:
    """Those that use it go on; the next command has another folder."""
    one, other = (kept_files(SHOP, RESOLVED, Persistence(60.0), environ) for _ in range(2))
    assert one is not None
    assert other is not None
    one.retire()
    later = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert later is not None
    assert later.socket != one.socket
    assert not one.remove()
    assert other.remove()
    assert not later.remove()


def test_the_folder_of_a_command_that_is_gone_is_removed_by_the_next(environ: dict[str, str]) -> None:
    """A process that was killed with its helper has not removed it, but its lock is open again."""
    files = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert files is not None
    assert files.lock is not None
    os.close(files.lock)
    later = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert later is not None
    assert not files.folder.exists()
    assert later.folder.exists()
    later.remove()


def test_a_connection_of_our_own_has_a_folder_of_its_own() -> None:
    """Nobody looks for it, and it is removed with what is in it."""
    files = own_files()
    assert files.socket.parent == files.folder
    assert files.folder.stat().st_mode & 0o777 == 0o700
    assert not files.remove()
    assert not files.folder.exists()


def test_the_forward_of_a_connection_that_has_ended_makes_room(environ: dict[str, str]) -> None:
    """A master that was killed leaves the socket's file, at which the next one could not listen."""
    one = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert one is not None
    one.usual.touch()
    other = kept_files(SHOP, RESOLVED, Persistence(60.0), environ)
    assert other is not None
    assert other.usual == one.usual
    assert not other.usual.exists()
    assert not one.remove()
    assert not other.remove()
