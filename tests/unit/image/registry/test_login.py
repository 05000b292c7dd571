"""Keeping logins on a server: only where asked to, beside what is there."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import (
    Build,
    Dependency,
    Project,
    ProjectInfo,
    Proxy,
    Registry,
    Server,
    Service,
)
from ftl.errors import FtlError
from ftl.image.registry.access import pulled_images
from ftl.image.registry.credentials import Credentials
from ftl.image.registry.login import store_on_server
from ftl.image.registry.names import HUB, insecure_registries, push_registries
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from pathlib import Path

ME = Credentials("registry.example.com", "me", "secret", "a test")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config file of a user; this machine stands for the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".docker" / "config.json"


def store() -> None:
    """Store one login."""

    async def work() -> None:
        async with Local() as machine:
            await store_on_server(machine, [ME])

    asyncio.run(work())


def test_a_login_is_added_to_what_is_there(there: Path) -> None:
    """Other logins and settings stay, and nobody else may read the file."""
    there.parent.mkdir()
    there.write_text('{"auths": {"other.example.com": {"auth": "eDp5"}}, "detachKeys": "ctrl-x"}')
    store()
    config = json.loads(there.read_text())
    assert config["detachKeys"] == "ctrl-x"
    assert set(config["auths"]) == {"other.example.com", "registry.example.com"}
    assert stat.S_IMODE(there.stat().st_mode) == 0o600


def test_the_first_login_makes_the_file(there: Path) -> None:
    """With its folder, both for the user alone."""
    store()
    assert json.loads(there.read_text()) == {"auths": {ME.registry: ME.config_entry()}}
    assert stat.S_IMODE(there.parent.stat().st_mode) == 0o700


def test_a_file_that_is_a_link_stays_one(there: Path, tmp_path: Path) -> None:
    """People keep their settings in a repository: it is written where the link leads, also to no file yet."""
    kept = tmp_path / "dotfiles" / "docker.json"
    kept.parent.mkdir()
    there.parent.mkdir()
    there.symlink_to(kept)
    for content in (None, '{"detachKeys": "ctrl-x"}'):
        if content is not None:
            kept.write_text(content)
        store()
        assert there.is_symlink()
        assert json.loads(kept.read_text())["auths"] == {ME.registry: ME.config_entry()}
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["detachKeys"] == "ctrl-x"
    assert [one.name for one in kept.parent.iterdir()] == ["docker.json"]


@pytest.mark.parametrize(
    ("content", "cause"), [("no JSON", "not JSON"), ('{"credsStore": "pass"}', "docker-credential-pass")]
)
def test_what_cannot_be_added_to_is_left(content: str, cause: str, there: Path) -> None:
    """A file that is broken, or that leaves logins to a helper: docker there would not look at ours."""
    there.parent.mkdir()
    there.write_text(content)
    with pytest.raises(FtlError, match="could not be stored") as caught:
        store()
    assert cause in (caught.value.cause or "")
    assert there.read_text() == content


def test_registries_that_are_pushed_to_need_a_login() -> None:
    """Those of services that are built here; what is only pulled may be public. Each once."""
    services = (
        Service(name="a", build=Build(), image="ghcr.io/shop/a"),
        Service(name="b", build=Build(), image="ghcr.io/shop/b"),
        Service(name="c", build=Build(), image="shop/c"),
        Service(name="d", image="quay.io/shop/d"),
        Service(name="e", build=Build()),
    )
    project = Project(
        project=ProjectInfo(name="shop"),
        server=Server(host="x"),
        services=services,
        registries=(Registry(server="10.0.0.5:5000", insecure=True), Registry(server="ghcr.io", token="t")),
    )
    assert push_registries(project) == ("ghcr.io", HUB)
    assert pulled_images(project) == {"quay.io": ("quay.io/shop/d",)}
    assert insecure_registries(project) == ("10.0.0.5:5000",)


def test_images_that_the_server_pulls() -> None:
    """By registry, each once; Docker's official ones are everybody's, other images of Docker Hub may not be."""
    project = Project(
        project=ProjectInfo(name="shop"),
        server=Server(host="x"),
        services=(Service(name="a", image="ghcr.io/shop/a:1"), Service(name="b", image="ghcr.io/shop/a:1")),
        dependencies=(
            Dependency(name="db", image="postgres:16"),
            Dependency(name="cache", image="docker.io/library/redis"),
            Dependency(name="search", image="shop/search:2"),
            Dependency(name="queue", image="ghcr.io/shop/queue:3"),
        ),
        proxy=Proxy(image="mirror.example.com:5000/caddy:2"),
    )
    assert pulled_images(project) == {
        "ghcr.io": ("ghcr.io/shop/a:1", "ghcr.io/shop/queue:3"),
        HUB: ("shop/search:2",),
        "mirror.example.com:5000": ("mirror.example.com:5000/caddy:2",),
    }
