"""Builders get the credentials of ftl.yaml in a temporary Docker configuration folder."""

from __future__ import annotations

import asyncio
import json
import stat

from ftl.config.models.project import Build, Registry, Service
from ftl.image.registry.build_logins import build_logins
from ftl.image.registry.keyring import Keyring
from tests.unit.image.registry.docker_home import DockerHome, auth_entry


def test_builders_get_the_logins_of_registries_in_the_dockerfile(home: DockerHome) -> None:
    """They are added to a copy of the user's configuration, private to the user and removed afterwards."""
    home.config(
        {"credsStore": "store", "currentContext": "x", "auths": {"a.example.com": auth_entry("me", "old")}}
    )
    (home.folder / ".docker" / "contexts").mkdir()
    (home.folder / "Dockerfile").write_text("FROM a.example.com/base\n")
    entries = (
        Registry(server="a.example.com", username="me", token="new"),
        Registry(server="b.example.com", command=("false",)),
    )
    keyring = Keyring(entries, root=home.folder, environ=home.environ)
    service = Service(name="web", build=Build())

    async def work() -> None:
        async with build_logins(
            [service], entries, keyring, root=home.folder, environ=home.environ
        ) as folder:
            assert folder is not None
            config = json.loads((folder / "config.json").read_text())
            assert config["auths"]["a.example.com"] == auth_entry("me", "new")
            assert config["credHelpers"] == {"a.example.com": ""}, "the store is turned off for this registry"
            assert (config["credsStore"], config["currentContext"]) == ("store", "x")
            assert (folder / "contexts").is_dir()
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        assert not folder.exists()
        assert (home.folder / ".docker" / "contexts").is_dir()
        async with build_logins([service], (), keyring, root=home.folder, environ=home.environ) as none:
            assert none is None

    asyncio.run(work())
