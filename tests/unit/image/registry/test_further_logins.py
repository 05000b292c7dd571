"""Further logins for a pull that a registry refuses: of ftl.yaml, and of the server."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Registry
from ftl.errors import FtlError, TransferFailed, UsageError
from ftl.image.registry.further_logins import FurtherLogins
from ftl.image.registry.keyring import Keyring
from ftl.image.registry.push_pull import PullLogins, pull
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.image.registry.docker_home import DockerHome, auth_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from ftl.engine.api import Engine

IMAGE = "registry.example.com/shop/web@sha256:1"


class PrivateEngine(FakeEngine):
    """An engine whose registry wants a login.

    Attributes:
        tried: The user and password of each pull.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tried: list[tuple[str, str] | None] = []

    async def pull(
        self, reference: str, *, platform: str | None = None, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """Refuse all logins but one."""
        self.tried.append((auth["username"], auth["password"]) if auth is not None else None)
        if self.tried[-1] != ("me", "right"):
            raise self._refuse(500, "unauthorized: authentication required")
        yield f"Pulling {reference}"


@pytest.fixture
def engine() -> PrivateEngine:
    """The server's engine."""
    return PrivateEngine()


def pulled(
    engine: PrivateEngine,
    home: DockerHome,
    load: Callable[[], Sequence[Registry]] | None = None,
    machine: FakeMachine | None = None,
) -> None:
    """Have the server pull the image."""
    further = FurtherLogins(load, root=home.folder, environ=home.environ)
    logins = PullLogins(Keyring(home.registries, root=home.folder, environ=home.environ), further)
    asyncio.run(
        pull(
            cast("Engine", engine),
            IMAGE,
            logins,
            machine or FakeMachine(),
            platform="linux/amd64",
            emit=lambda _: None,
        )
    )


def listed(*, password: str = "right") -> tuple[Registry, ...]:
    """`registries` of today's ftl.yaml."""
    other = Registry(server="ghcr.io", username="me", password="other")
    return other, Registry(server="registry.example.com", username="me", password=password)


def there(config: object, *, helper: bytes = b"") -> FakeMachine:
    """A server with this Docker configuration."""
    machine = FakeMachine()
    machine.answer("config.json", answer=CommandOutput(stdout=json.dumps(config).encode()))
    machine.answer(
        "docker-credential-pass get", answer=CommandOutput(exit_code=0 if helper else 1, stdout=helper)
    )
    return machine


def test_a_login_of_ftl_yaml_is_read_when_it_is_needed(engine: PrivateEngine, home: DockerHome) -> None:
    """A pull without one comes first: the image may be public, and the vault slow."""
    pulled(engine, home, listed)
    assert engine.tried == [None, ("me", "right")]


def test_nothing_is_read_for_a_pull_that_goes_well(engine: PrivateEngine, home: DockerHome) -> None:
    """The login of this machine is enough, and no server is asked."""
    home.config({"auths": {"registry.example.com": auth_entry("me", "right")}})
    machine = FakeMachine()

    def load() -> tuple[Registry, ...]:
        raise AssertionError

    pulled(engine, home, load, machine)
    assert machine.commands == []


@pytest.mark.parametrize(
    "machine",
    [
        there({"auths": {"registry.example.com": auth_entry("me", "right")}}),
        there({"credsStore": "pass"}, helper=b'{"Username": "me", "Secret": "right"}'),
        there(
            {"credsStore": "pass", "auths": {"registry.example.com": auth_entry("me", "right")}}, helper=b"{}"
        ),
    ],
)
def test_a_login_of_the_server(engine: PrivateEngine, home: DockerHome, machine: FakeMachine) -> None:
    """That of `docker login` there, or of its helper, after a login of ftl.yaml that is out of date."""
    pulled(engine, home, lambda: listed(password="old"), machine)
    assert engine.tried == [None, ("me", "old"), ("me", "right")]


def test_a_command_that_fails_leaves_the_login_of_the_server(engine: PrivateEngine, home: DockerHome) -> None:
    """The vault is not reached, and the server can log in by itself."""
    sealed = Registry(server="registry.example.com", username="me", command=("sh", "-c", "exit 3"))
    pulled(
        engine, home, lambda: (sealed,), there({"auths": {"registry.example.com": auth_entry("me", "right")}})
    )
    assert engine.tried == [None, ("me", "right")]


def test_a_command_that_fails_is_told_where_no_login_helps(engine: PrivateEngine, home: DockerHome) -> None:
    """The registry's refusal comes first."""
    sealed = Registry(server="registry.example.com", username="me", command=("sh", "-c", "exit 3"))
    with pytest.raises(TransferFailed, match="requires a login") as caught:
        pulled(engine, home, lambda: (sealed,))
    assert "the command for registry.example.com failed" in str(caught.value.hint) + str(caught.value.cause)


def test_pulls_side_by_side_ask_the_vault_once(home: DockerHome) -> None:
    """Each of them needs the same login."""
    log = home.folder / "asked"
    command = ("sh", "-c", f"echo once >> {log}; echo right")
    entry = Registry(server="registry.example.com", username="me", command=command)
    further = FurtherLogins(lambda: (entry,), root=home.folder, environ=home.environ)

    async def ask() -> list[str]:
        return [login.registry async for login in further.of("registry.example.com", FakeMachine())]

    async def main() -> None:
        first, second = await asyncio.gather(ask(), ask())
        assert first == second == ["registry.example.com"]

    asyncio.run(main())
    assert log.read_text().split() == ["once"]


def test_a_server_whose_helper_fails_and_whose_file_has_a_login(
    engine: PrivateEngine, home: DockerHome
) -> None:
    """As with Docker on this machine."""
    both = {"credsStore": "pass", "auths": {"registry.example.com": auth_entry("me", "right")}}
    pulled(engine, home, machine=there(both))
    assert engine.tried == [None, ("me", "right")]


def test_a_server_whose_helper_fails(engine: PrivateEngine, home: DockerHome) -> None:
    """It has no login; the first error is what is told."""
    with pytest.raises(TransferFailed, match="requires a login") as caught:
        pulled(engine, home, machine=there({"credsStore": "pass"}))
    assert caught.value.hint == (
        "run `docker login registry.example.com` on this machine or on shop.example.com, "
        "or list it under `registries` in ftl.yaml"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UsageError("in the folder of ftl.yaml, its `registries` are used"), "its `registries` are used"),
        (FtlError("the vault is sealed", cause="ask ann"), "; the vault is sealed: ask ann"),
    ],
)
def test_registries_that_cannot_be_read(
    engine: PrivateEngine, home: DockerHome, error: FtlError, words: str
) -> None:
    """It is told only where no other login helps."""

    def load() -> tuple[Registry, ...]:
        raise error

    with pytest.raises(TransferFailed, match="requires a login") as caught:
        pulled(engine, home, load)
    assert words in (caught.value.hint or "")
    pulled(engine, home, load, there({"auths": {"registry.example.com": auth_entry("me", "right")}}))


def test_a_vault_that_hangs(engine: PrivateEngine, home: DockerHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and FTL ends without it."""
    monkeypatch.setattr("ftl.image.registry.further_logins.LOAD_SECONDS", 0.1)

    def load() -> tuple[Registry, ...]:
        time.sleep(60)
        return ()

    began = time.monotonic()
    with pytest.raises(TransferFailed) as caught:
        pulled(engine, home, load)
    assert "took too long" in (caught.value.hint or "")
    assert time.monotonic() - began < 30


def test_another_error_is_no_question_of_logins(engine: PrivateEngine, home: DockerHome) -> None:
    """A registry that is down is not asked again with each of them."""
    machine = FakeMachine()
    with pytest.raises(TransferFailed):
        pulled(FakeEngine(), home, listed, machine)  # type: ignore[arg-type]
    assert machine.commands == []
