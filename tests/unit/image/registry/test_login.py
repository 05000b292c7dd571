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
    from pathlib import Path

ME = Credentials("registry.example.com", "me", "secret", "a test")


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config file of the user; this machine stands in for the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".docker" / "config.json"


def store() -> None:
    """Store one login."""

    async def work() -> None:
        async with Local() as machine:
            await store_on_server(machine, [ME])

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
