"""Credentials are stored on a server by merging them into Docker's config file."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError
from ftl.image.registry.credentials import Credentials
from ftl.image.registry.login import store_on_server
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.child import Completed

ME = Credentials("registry.example.com", "me", "secret", "a test")


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config file of the user; this machine stands in for the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".docker" / "config.json"


class Shared(Local):
    """A server on which somebody else writes the file each time after it was read, so many times."""

    def __init__(self, file: Path, times: int) -> None:
        super().__init__()
        self._file = file
        self._times = times

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a command, and what somebody else does after it."""
        done = await super().run(argv, stdin=stdin, timeout=timeout)
        if stdin is None and self._times:
            self._times -= 1
            self._file.parent.mkdir(exist_ok=True)
            self._file.write_text(json.dumps({"auths": {"theirs.example.com": {"auth": f"{self._times}"}}}))
        return done


def store(machine: Local | None = None) -> None:
    """Store one login."""

    async def work() -> None:
        async with machine or Local() as server:
            await store_on_server(server, [ME])

    asyncio.run(work())


def test_a_login_is_merged_into_the_config_file(config_file: Path) -> None:
    """Other logins and settings stay, and the file is private."""
    config_file.parent.mkdir()
    config_file.write_text('{"auths": {"other.example.com": {"auth": "eDp5"}}, "detachKeys": "ctrl-x"}')
    store()
    config = json.loads(config_file.read_text())
    assert config["detachKeys"] == "ctrl-x"
    assert set(config["auths"]) == {"other.example.com", "registry.example.com"}
    assert stat.S_IMODE(config_file.stat().st_mode) == 0o600


def test_the_first_login_creates_the_config_file(config_file: Path) -> None:
    """The folder and the file are private."""
    store()
    assert json.loads(config_file.read_text()) == {"auths": {ME.registry: ME.config_entry()}}
    assert stat.S_IMODE(config_file.parent.stat().st_mode) == 0o700


def test_a_symbolic_link_is_kept(config_file: Path, tmp_path: Path) -> None:
    """The file that the link points to is written, also if it does not exist yet."""
    target = tmp_path / "dotfiles" / "docker.json"
    target.parent.mkdir()
    config_file.parent.mkdir()
    config_file.symlink_to(target)
    for content in (None, '{"detachKeys": "ctrl-x"}'):
        if content is not None:
            target.write_text(content)
        store()
        assert config_file.is_symlink()
        assert json.loads(target.read_text())["auths"] == {ME.registry: ME.config_entry()}
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert json.loads(target.read_text())["detachKeys"] == "ctrl-x"
    assert [file.name for file in target.parent.iterdir()] == ["docker.json"]


@pytest.mark.parametrize(
    ("content", "cause"), [("no JSON", "not JSON"), ('{"credsStore": "pass"}', "docker-credential-pass")]
)
def test_a_config_file_that_cannot_be_merged_is_left_unchanged(
    content: str, cause: str, config_file: Path
) -> None:
    """It is invalid, or names a helper, so that Docker would not read logins from the file."""
    config_file.parent.mkdir()
    config_file.write_text(content)
    with pytest.raises(FtlError, match="could not be stored") as caught:
        store()
    assert cause in (caught.value.cause or "")
    assert config_file.read_text() == content


def test_a_login_that_somebody_else_stores_meanwhile_is_kept(config_file: Path) -> None:
    """The file is read and merged again; one that changes each time is an error."""
    store(Shared(config_file, times=2))
    assert set(json.loads(config_file.read_text())["auths"]) == {"theirs.example.com", ME.registry}
    with pytest.raises(FtlError, match="could not be stored") as caught:
        store(Shared(config_file, times=99))
    assert "changed there by somebody else" in (caught.value.cause or "")
    assert set(json.loads(config_file.read_text())["auths"]) == {"theirs.example.com"}
