"""Where credentials for a registry come from: ftl.yaml, then docker's helpers, store and file on this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from ftl.config import Build, Registry, Service
from ftl.errors import FtlError
from ftl.image.registry.build_logins import build_logins
from ftl.image.registry.credentials import IDENTITY_TOKEN_USER, Credentials, token_user
from ftl.image.registry.keyring import Keyring, RegistryLogin
from ftl.image.registry.names import HUB, registry_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("postgres:16", HUB),
        ("me/app", HUB),
        ("docker.io/me/app:1", HUB),
        ("index.docker.io/me/app:1", HUB),
        ("registry.example.com/app:1", "registry.example.com"),
        ("localhost/app", "localhost"),
        ("localhost:5000/app:1", "localhost:5000"),
    ],
)
def test_a_reference_names_its_registry(reference: str, registry: str) -> None:
    """Docker's rule: the first part is a host if it has a dot or a port, or is localhost."""
    assert registry_of(reference) == registry


class Home:
    """A user's home with a docker configuration, helpers on PATH, and registries in ftl.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".docker").mkdir()
        (folder / "bin").mkdir()
        self.environ = {"HOME": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}/usr/bin:/bin"}
        self.registries: tuple[Registry, ...] = ()

    def config(self, config: object) -> None:
        """Write docker's config file."""
        text = config if isinstance(config, str) else json.dumps(config)
        (self.folder / ".docker" / "config.json").write_text(text)

    def program(self, name: str, script: str) -> None:
        """A program on PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def helper(self, name: str, script: str) -> None:
        """A credential helper on PATH."""
        self.program(f"docker-credential-{name}", script)

    def login(self, reference: str) -> RegistryLogin:
        """What a push or pull of this image goes by."""
        keyring = Keyring(self.registries, root=self.folder, environ=self.environ)
        return asyncio.run(keyring.for_image(reference))

    def found(self, reference: str) -> tuple[str, str] | None:
        """The user name and the secret."""
        credentials = self.login(reference).credentials
        return (credentials.username, credentials.secret) if credentials else None


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty one."""
    return Home(tmp_path)


def coded(username: str, password: str) -> dict[str, str]:
    """An entry of `auths`."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("registry.example.com", "registry.example.com/app:1"),
        ("https://registry.example.com", "registry.example.com/app:1"),
        ("https://registry.example.com/v1/", "registry.example.com/app:1"),
        (HUB, "me/app"),
    ],
)
def test_a_login_in_the_file_is_found(name: str, reference: str, home: Home) -> None:
    """`docker login` writes a registry in one of several forms."""
    home.config({"auths": {name: coded("me", "pass:word")}})
    assert home.found(reference) == ("me", "pass:word")


def test_an_identity_token_in_the_file_is_found(home: Home) -> None:
    """Registries with OAuth leave a token there, which goes to the engine as such."""
    entry = {**coded("00000000-0000-0000-0000-000000000000", ""), "identitytoken": "long"}
    home.config({"auths": {"registry.example.com": entry}})
    assert home.login("registry.example.com/app").auth_config == {
        "identitytoken": "long",
        "serveraddress": "registry.example.com",
    }


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"auths": {}},
        {"auths": {"other.example.com": coded("a", "b")}},
        {"auths": {"registry.example.com": {}}},
        {"auths": {"registry.example.com": {"auth": "%"}}},
        "half a fi",
    ],
)
def test_without_a_login_there_are_no_credentials(config: object, home: Home) -> None:
    """No entry, another registry's, or one that cannot be read: the registry may be public."""
    home.config(config)
    assert home.login("registry.example.com/app") == RegistryLogin("registry.example.com")


def test_a_credential_helper_is_asked_for_its_registry(home: Home) -> None:
    """The registry goes in on stdin; `credHelpers` goes before `credsStore`."""
    home.config({"credsStore": "store", "credHelpers": {"registry.example.com": "own"}})
    home.helper("own", 'read r; echo "{\\"Username\\": \\"$r\\", \\"Secret\\": \\"own\\"}"')
    home.helper("store", 'echo "{\\"Username\\": \\"<token>\\", \\"Secret\\": \\"stored\\"}"')
    assert home.login("registry.example.com/app").auth_config == {
        "username": "registry.example.com",
        "password": "own",
        "serveraddress": "registry.example.com",
    }
    assert home.login("me/app").auth_config == {"identitytoken": "stored", "serveraddress": HUB}


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "echo '[]'"])
def test_a_helper_that_fails_leaves_the_file(script: str, home: Home) -> None:
    """What a broken helper says is passed over when the file knows."""
    home.config({"credsStore": "store", "auths": {"registry.example.com": coded("me", "x")}})
    home.helper("store", script)
    assert home.found("registry.example.com/app") == ("me", "x")


def test_why_a_helper_failed_is_kept(home: Home) -> None:
    """When nothing else knows the registry, its words are there for the error of the push."""
    home.config({"credsStore": "ecr-login"})
    home.helper("ecr-login", "echo 'no credentials in the environment'; exit 1")
    login = home.login("registry.example.com/app")
    assert login.credentials is None
    assert login.error is not None
    assert "docker-credential-ecr-login" in login.error
    assert "no credentials in the environment" in login.error


def test_a_helper_without_credentials_is_no_failure(home: Home) -> None:
    """Helpers end with 1 for a registry that they do not know, and with a sentence that is always the same."""
    home.config({"credsStore": "store"})
    home.helper("store", "echo 'credentials not found in native keychain'; exit 1")
    assert home.login("registry.example.com/app") == RegistryLogin("registry.example.com")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "me", "password": "p"}, ("me", "p")),
        ({"username": "me", "token": "t"}, ("me", "t")),
        ({"token": "t"}, (IDENTITY_TOKEN_USER, "t")),
        ({"username": "me", "command": ("printf", "%s\\n", "from a command")}, ("me", "from a command")),
        ({"username": "me", "command": "sh -c 'echo $HOME'"}, ("me", None)),
        ({}, ("docker", "login")),
    ],
)
def test_what_ftl_yaml_lists_goes_before_docker(entry: dict[str, Any], expected: Any, home: Home) -> None:
    """A password, a token with or without a user, a command; an entry without a secret leaves it to docker."""
    home.config({"auths": {"registry.example.com": coded("docker", "login")}})
    home.registries = (Registry(server="registry.example.com", **entry),)
    username, secret = expected
    assert home.found("registry.example.com/app") == (username, secret or str(home.folder))


def test_docker_hub_is_listed_by_its_host(home: Home) -> None:
    """`docker.io` in ftl.yaml is the registry of images that name none."""
    home.registries = (Registry(server="docker.io", username="me", token="t"),)
    assert home.found("me/app:1") == ("me", "t")


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("no-such-program",), "No such file or directory"),
        (("sh", "-c", "echo secret; echo 'please log in' >&2; exit 3"), "please log in"),
        (("true",), "it printed nothing"),
    ],
)
def test_a_command_that_fails_is_named(command: tuple[str, ...], cause: str, home: Home) -> None:
    """Its error is told in its own words, and what it printed for a secret is not."""
    home.registries = (Registry(server="registry.example.com", command=command),)
    with pytest.raises(FtlError, match=r"the command for registry\.example\.com failed") as caught:
        home.login("registry.example.com/app")
    assert cause in (caught.value.cause or "")
    assert "secret" not in str(caught.value.cause)


@pytest.mark.parametrize(
    ("host", "user"),
    [
        ("ghcr.io", "token"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "AWS"),
        ("eu.gcr.io", "oauth2accesstoken"),
        ("europe-west3-docker.pkg.dev", "oauth2accesstoken"),
        ("shop.azurecr.io", "00000000-0000-0000-0000-000000000000"),
        ("ghcr.io.example.com", IDENTITY_TOKEN_USER),
        ("registry.example.com", IDENTITY_TOKEN_USER),
    ],
)
def test_a_bare_token_has_the_user_that_its_registry_expects(host: str, user: str) -> None:
    """The large registries have one name for all who come with a token; elsewhere it is an identity token."""
    assert token_user(host) == user


def test_credentials_are_looked_up_once(home: Home) -> None:
    """Two images of one registry ask its command once: it may cost seconds."""
    count = home.folder / "count"
    home.registries = (Registry(server="a.example.com", command=("sh", "-c", f"echo x | tee -a {count}")),)
    keyring = Keyring(home.registries, root=home.folder, environ=home.environ)

    async def twice() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(keyring.for_image("a.example.com/one"))
            group.create_task(keyring.for_image("a.example.com/two"))

    asyncio.run(twice())
    assert count.read_text() == "x\n"


def test_a_secret_is_not_shown() -> None:
    """Whoever prints credentials prints no secret."""
    assert "hidden" not in repr(Credentials("ghcr.io", "me", "hidden", "a test"))


def test_builders_get_the_logins_of_the_registries_that_a_dockerfile_names(home: Home) -> None:
    """On top of the user's own configuration, in a folder that only they may read and that is gone afterwards."""
    home.config(
        {"credsStore": "store", "currentContext": "x", "auths": {"a.example.com": coded("me", "old")}}
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
            assert config["auths"]["a.example.com"] == coded("me", "new")
            assert config["credHelpers"] == {"a.example.com": ""}, "the store does not count for it"
            assert (config["credsStore"], config["currentContext"]) == ("store", "x")
            assert (folder / "contexts").is_dir()
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        assert not folder.exists()
        assert (home.folder / ".docker" / "contexts").is_dir()
        async with build_logins([service], (), keyring, root=home.folder, environ=home.environ) as none:
            assert none is None

    asyncio.run(work())
