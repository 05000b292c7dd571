"""What of the sandbox needs no engine: names, what is written down, errors in words, bounds."""

from __future__ import annotations

import asyncio
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from ftl.errors import EngineError, EngineUnavailable, UsageError
from ftl.server.sandbox import SandboxAddress, address
from ftl.server.sandbox.docker import Docker, failure
from ftl.server.sandbox.home import Home
from ftl.server.sandbox.image import Recipe, pack

if TYPE_CHECKING:
    from pathlib import Path

UNREACHABLE = "unix:///nonexistent/docker.sock"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and no sandbox named by the environment."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FTL_SANDBOX", raising=False)
    return tmp_path


def remembered(home: Home, port: int = 2222) -> SandboxAddress:
    """Write down an address as `up` does."""
    home.folder.mkdir(parents=True)
    there = SandboxAddress("127.0.0.1", port, "ftl", home.key, home.known_hosts, 8080, 8443)
    home.remember(there, "ssh-ed25519 AAAA")
    return there


def test_an_address_is_read_as_it_was_written() -> None:
    """What `up` wrote down is what `--server sandbox` goes to, with the host key for exactly that port."""
    there = remembered(Home.of())
    assert address() == there
    assert there.known_hosts.read_text() == "[127.0.0.1]:2222 ssh-ed25519 AAAA\n"
    assert (there.server.port, there.server.known_hosts) == (2222, there.known_hosts)


@pytest.mark.parametrize(
    ("hosts", "tls", "by_address", "urls"),
    [
        (["shop.example.com"], True, True, ("http://127.0.0.1:8080",)),
        (["shop.example.com"], True, False, ()),
        (["localhost"], True, True, ("http://127.0.0.1:8080", "https://localhost:8443")),
        (["localhost"], False, True, ("http://127.0.0.1:8080",)),
        (["shop.localhost"], True, False, ("http://shop.localhost:8080", "https://shop.localhost:8443")),
        ([], True, True, ()),
    ],
)
def test_only_addresses_that_answer_are_named(
    hosts: list[str], tls: bool, by_address: bool, urls: tuple[str, ...]
) -> None:
    """The address for the only project, names that lead here for each, HTTPS by name; nothing without routes."""
    there = remembered(Home.of())
    assert there.urls_of(hosts, tls=tls, by_address=by_address) == urls
    assert there.by_name("a.example") == "curl --connect-to ::127.0.0.1:8080 http://a.example"


def test_what_is_written_down_is_private() -> None:
    """The files beside the key are the user's alone."""
    there = remembered(Home.of())
    assert [path.stat().st_mode & 0o077 for path in there.known_hosts.parent.iterdir()] == [0, 0]


def test_the_environment_names_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """FTL_SANDBOX stands for a name that is not given, and yields to one that is."""
    monkeypatch.setenv("FTL_SANDBOX", "ci")
    assert remembered(Home.of("ci"), 1).port == address().port
    assert remembered(Home.of("other"), 2).port == address("other").port
    assert (Home.of().container, Home.of("sandbox").container) == ("ftl-sandbox-ci", "ftl-sandbox")


def test_no_sandbox_is_an_error_with_the_next_step() -> None:
    """Without a sandbox the user is told how to start the one that was meant."""
    with pytest.raises(UsageError, match="no sandbox is running") as caught:
        address("ci")
    assert caught.value.hint == "start one: `ftl sandbox up --name ci`"


@pytest.mark.parametrize("name", ["..", "a/b", "-a", "A", "a b", "a" * 41])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    """A name becomes part of a path and of a container's name, and nothing else."""
    with pytest.raises(UsageError, match="no name for a sandbox"):
        Home.of(name)


def test_two_commands_on_one_sandbox_do_not_meet() -> None:
    """While one is at work another is refused; on another sandbox it is not."""
    with Home.of("a").lock():
        with Home.of("b").lock():
            pass
        with pytest.raises(UsageError, match="another `ftl sandbox` command"), Home.of("a").lock():
            pass
    with Home.of("a").lock():
        pass


def test_an_image_is_named_after_what_is_in_it() -> None:
    """Another suite or other packages are another image; the same recipe is the same one."""
    recipes = [
        Recipe(suite, docker, comfort)
        for suite in ("trixie", "sid")
        for docker in (True, False)
        for comfort in (True, False)
    ]
    assert len({recipe.reference for recipe in recipes}) == len(recipes)
    assert Recipe().reference == Recipe("trixie").reference


def test_the_docker_command_is_a_package_of_its_own_from_trixie_on() -> None:
    """Bookworm's docker.io brings it, later ones do not; a bare server has neither."""
    assert {"docker.io"} == {name for name in Recipe("bookworm").packages if name.startswith("docker")}
    assert {"docker.io", "docker-cli", "docker-buildx"} <= set(Recipe("trixie").packages)
    assert not [name for name in Recipe("trixie", docker=False).packages if name.startswith("docker")]


def test_a_build_context_is_the_same_for_the_same_files() -> None:
    """No times and no owners of this machine get into it, so that the builder's cache is found."""
    members = [("boot", b"one"), ("etc/two", b"2")]
    assert pack(members) == pack(members)
    with tarfile.open(fileobj=io.BytesIO(pack(members))) as archive:
        assert [(entry.name, entry.mtime, entry.uid) for entry in archive] == [
            ("boot", 0, 0),
            ("etc/two", 0, 0),
        ]


@pytest.mark.parametrize(
    ("stderr", "kind", "message"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
            EngineUnavailable,
            "no Docker engine answers on this machine",
        ),
        (
            "error during connect: Get http://x: EOF",
            EngineUnavailable,
            "no Docker engine answers on this machine",
        ),
        (
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///x",
            EngineUnavailable,
            "this user may not use the Docker engine of this machine",
        ),
        ("Error response from daemon: no space left on device", EngineError, "`docker start` failed"),
    ],
)
def test_docker_s_failures_in_our_words(stderr: str, kind: type[EngineError], message: str) -> None:
    """What the docker command complains about becomes an error that says what it means."""
    error = failure(("start", "x"), stderr)
    assert (type(error), error.message) == (kind, message)


def test_a_failure_keeps_docker_s_words_without_its_advice() -> None:
    """The cause is the engine's sentence; the pointer to docker's help is of no use here."""
    error = failure(
        ("run",), "docker: Error response from daemon: gone.\n\nRun 'docker run --help' for more\n"
    )
    assert error.cause is not None
    assert error.cause.endswith("gone.")


def test_a_docker_command_that_hangs_is_killed() -> None:
    """No call waits longer than it may, whether it prints nothing or never ends."""
    hanging = Docker("sleep", UNREACHABLE)
    with pytest.raises(EngineError, match="took longer than"):
        asyncio.run(hanging.run("60", timeout=0.05))
    with pytest.raises(EngineError, match="did not answer in time"):
        asyncio.run(hanging.follow("60", on_line=print, patience=0.05))


def test_what_a_docker_command_prints_is_passed_on() -> None:
    """Both streams come line by line, and the status is told."""
    lines: list[str] = []
    shell = Docker("sh", UNREACHABLE)
    status = asyncio.run(
        shell.follow("-c", "cat; echo two >&2; exit 3", on_line=lines.append, stdin=b"one\n")
    )
    assert (status, lines) == (3, ["one", "two"])
