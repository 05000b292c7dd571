"""Credentials are found in ftl.yaml, then in Docker's helpers, store and config file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ftl.config.models.project import Registry
from ftl.errors import FtlError
from ftl.image.registry.credentials import IDENTITY_TOKEN_USER
from ftl.image.registry.keyring import Keyring, RegistryLogin
from ftl.image.registry.names import HUB
from tests.unit.image.registry.docker_home import DockerHome, auth_entry


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("registry.example.com", "registry.example.com/app:1"),
        ("https://registry.example.com", "registry.example.com/app:1"),
        ("https://registry.example.com/v1/", "registry.example.com/app:1"),
        (HUB, "me/app"),
    ],
)
def test_a_login_in_the_config_file_is_found(name: str, reference: str, home: DockerHome) -> None:
    """`docker login` writes a registry's key in one of several forms."""
    home.config({"auths": {name: auth_entry("me", "pass:word")}})
    assert home.credentials(reference) == ("me", "pass:word")


def test_an_identity_token_in_the_file_is_found(home: DockerHome) -> None:
    """Registries with OAuth store an identity token, which is sent to the engine as such."""
    entry = {**auth_entry("00000000-0000-0000-0000-000000000000", ""), "identitytoken": "long"}
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
        {"auths": {"other.example.com": auth_entry("a", "b")}},
        {"auths": {"registry.example.com": {}}},
        {"auths": {"registry.example.com": {"auth": "%"}}},
        "half a fi",
    ],
)
def test_without_a_login_there_are_no_credentials(config: object, home: DockerHome) -> None:
    """No entry, another registry's, or an invalid one: the registry may be public."""
    home.config(config)
    assert home.login("registry.example.com/app") == RegistryLogin("registry.example.com")


def test_a_credential_helper_is_asked_for_its_registry(home: DockerHome) -> None:
    """The helper reads the registry from stdin; `credHelpers` takes precedence over `credsStore`."""
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
def test_the_config_file_is_used_if_the_helper_fails(script: str, home: DockerHome) -> None:
    """Errors of a broken helper are ignored if the file has credentials."""
    home.config({"credsStore": "store", "auths": {"registry.example.com": auth_entry("me", "x")}})
    home.helper("store", script)
    assert home.credentials("registry.example.com/app") == ("me", "x")


def test_the_error_of_a_helper_is_kept(home: DockerHome) -> None:
    """If there are no other credentials, the error of a push can cite the helper's error."""
    home.config({"credsStore": "ecr-login"})
    home.helper("ecr-login", "echo 'no credentials in the environment'; exit 1")
    login = home.login("registry.example.com/app")
    assert login.credentials is None
    assert login.error is not None
    assert "docker-credential-ecr-login" in login.error
    assert "no credentials in the environment" in login.error


def test_a_helper_without_credentials_has_not_failed(home: DockerHome) -> None:
    """For an unknown registry helpers exit with 1 and print a fixed message."""
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
        ({"username": "me", "command": 'printf --query="a | b;"'}, ("me", "--query=a | b;")),
        ({}, ("docker", "login")),
    ],
)
def test_ftl_yaml_takes_precedence_over_docker(
    entry: dict[str, Any], expected: Any, home: DockerHome
) -> None:
    """A password, a token with or without a user, a command; an entry without a secret is ignored."""
    home.config({"auths": {"registry.example.com": auth_entry("docker", "login")}})
    home.registries = (Registry(server="registry.example.com", **entry),)
    username, secret = expected
    assert home.credentials("registry.example.com/app") == (username, secret or str(home.folder))


def test_docker_hub_is_listed_as_docker_io(home: DockerHome) -> None:
    """`docker.io` in ftl.yaml is the registry of images without one in their name."""
    home.registries = (Registry(server="docker.io", username="me", token="t"),)
    assert home.credentials("me/app:1") == ("me", "t")


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("no-such-program",), "No such file or directory"),
        (
            ("sh", "-c", "echo secret; echo 'no session' >&2; echo 'please log in' >&2; exit 3"),
            "no session\n  please log in",
        ),
        ("pass show registry | head -n 1", "`|` needs a shell"),
        (("true",), "it printed nothing"),
    ],
)
def test_a_command_that_fails_is_an_error(
    command: str | tuple[str, ...], cause: str, home: DockerHome
) -> None:
    """The cause is the last lines of its stderr; its stdout, possibly a secret, is not shown."""
    home.registries = (Registry(server="registry.example.com", command=command),)
    with pytest.raises(FtlError, match=r"the command for registry\.example\.com failed") as caught:
        home.login("registry.example.com/app")
    assert cause in (caught.value.cause or "")
    assert "secret" not in str(caught.value.cause)


def test_the_output_of_a_command_is_bounded(home: DockerHome) -> None:
    """One that prints without end does not fill the memory."""
    many = ("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x")
    home.registries = (Registry(server="registry.example.com", command=many),)
    _, secret = home.credentials("registry.example.com/app") or ("", "")
    assert 4_000_000 < len(secret) < 4_500_000


def test_credentials_are_looked_up_once(home: DockerHome) -> None:
    """The command of a registry runs once for two of its images, because it may take seconds."""
    count = home.folder / "count"
    home.registries = (Registry(server="a.example.com", command=("sh", "-c", f"echo x | tee -a {count}")),)
    keyring = Keyring(home.registries, root=home.folder, environ=home.environ)

    async def twice() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(keyring.for_image("a.example.com/one"))
            group.create_task(keyring.for_image("a.example.com/two"))

    asyncio.run(twice())
    assert count.read_text() == "x\n"
