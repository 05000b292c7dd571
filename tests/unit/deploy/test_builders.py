"""Builders: the machines of `build.on`, and builds on several of them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Build, Dependency
from ftl.deploy.builders import build_services, builds_on_server, open_builders
from ftl.deploy.inputs import built_images
from ftl.engine.values import DiskUsage, Image
from ftl.errors import BuildFailed, LockTaken, ServerError, at
from ftl.events import BuildContext, BuildStarted, Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session, open_session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.world import INFO, project, service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ftl.config.models.project import Service
    from ftl.events import Event


class Engine(FakeEngine):
    """An engine whose build cache has 2 GB."""

    async def usage(self, *, seconds: float) -> DiskUsage:
        return DiskUsage(unused_images=0, build_cache=2_000_000_000)


def session(name: str, *, free: int = 50_000_000) -> Session:
    """A machine with this many free kilobytes."""
    machine = FakeMachine(name)
    machine.answer("sh", answer=CommandOutput(stdout=f"images {free}\n".encode()))
    return Session(name, machine, Engine(name=name), INFO)


def built_on(place: str | None, name: str = "web") -> Service:
    """A service that is built somewhere."""
    return service(name, build=Build(on=place))


def unanswered(place: str) -> AbstractAsyncContextManager[Session]:
    """Connect to a machine on which no engine answers."""
    return open_session(FakeMachine(place))


def opened(services: list[Service], fleet: Fleet | None) -> dict[str, str]:
    """Value of `build.on` -> name of the machine."""

    async def work() -> dict[str, str]:
        async with open_builders(services, fleet, unanswered) as sessions:
            return {place: each.name for place, each in sessions.items()}

    return asyncio.run(work())


def test_servers_that_build_are_not_connected_again() -> None:
    """`server` is the first one; a host of `servers` is that one; this machine is no builder."""
    fleet = Fleet([session("web-1"), session("web-2")])
    services = [built_on("server"), built_on("web-2", "api"), built_on(None, "mail"), built_on("local", "x")]
    assert opened(services, fleet) == {"server": "web-1", "web-2": "web-2"}


def test_a_build_does_not_begin_on_a_full_disk() -> None:
    """It would take down what runs on that disk."""
    with pytest.raises(BuildFailed, match="web-1 has too little disk space for a build") as caught:
        opened([built_on("server")], Fleet([session("web-1", free=300_000)]))
    assert caught.value.cause == "307.2 MB free, at least 1.0 GB needed"
    assert caught.value.hint == "`docker builder prune` there frees about 2.0 GB"


def test_a_builder_that_cannot_be_used_is_told_with_its_key() -> None:
    """No engine answers there; the hint says which values `build.on` may have."""
    with pytest.raises(ServerError, match="the builder cannot be used") as caught:
        opened([built_on("bulider")], Fleet([session("web-1")]))
    assert "`build.on` is" in (caught.value.hint or "")
    assert (caught.value.place.server, caught.value.place.service) == ("bulider", "web")


def test_an_error_of_the_deploy_is_not_the_builders() -> None:
    """The builders stay connected for all of it, and another deploy's lock is at the server."""

    @asynccontextmanager
    async def connect(place: str) -> AsyncIterator[Session]:
        with at(server=place):
            yield session(place)

    async def work() -> None:
        async with open_builders([built_on("builder")], Fleet([session("web-1")]), connect):
            raise LockTaken("another deploy is under way", holder="anna")

    with pytest.raises(LockTaken) as caught:
        asyncio.run(work())
    assert caught.value.place.server is None


def test_the_server_is_connected_for_a_build_only_where_it_builds() -> None:
    """`ftl build` works without a server otherwise."""
    assert builds_on_server([built_on(None), built_on("server", "api")], ["shop"])
    assert builds_on_server([built_on("shop")], ["shop"])
    assert not builds_on_server([built_on(None), built_on("builder", "api")], ["shop"])


DOCKER = """\
#!/bin/sh
[ "$1" = --version ] && { echo "Docker version 28.2.2, build x"; exit; }
[ "$2" = inspect ] && [ "$BUILDX_BUILDER" = default ] && { echo "Driver: docker"; exit; }
[ "$2" = inspect ] && { echo "Driver: docker-container"; exit; }
[ "$2" = version ] && { echo "github.com/docker/buildx v0.17.1"; exit; }
for word; do
  case $word in --iidfile=*) printf %s "$NEW_ID" >"${word#--iidfile=}" ;; esac
done
case "$*" in *--cache-to*) writes=true ;; *) writes=false ;; esac
printf '{"host": "%s", "builder": "%s", "writes": %s}\\n' "$DOCKER_HOST" "$BUILDX_BUILDER" $writes >>"$HOME/calls"
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker CLI that writes where it would have built; returns that file."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "DOCKER_CONFIG", "BUILDX_BUILDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEW_ID", NEW.id)
    return tmp_path / "calls"


NEW = Image(f"sha256:{1:064x}", (), (), (), {}, INFO.platform, 1000, created="2999-01-01T00:00:00Z")


def test_each_service_is_built_where_it_says(docker: Path) -> None:
    """By the docker CLI here, on the engine there, and never by a builder that the user chose for this machine."""
    here, there = FakeEngine(name="this machine"), FakeEngine(name="builder")
    here.url, there.url = "unix:///here", "unix:///there"
    for engine, tag in ((here, "shop-web:latest"), (there, "shop-api:latest")):
        engine.add_image(tag, NEW)
    services = [built_on(None), built_on("builder", "api")]
    events: list[Event] = []
    built = asyncio.run(
        build_services(
            project(*services),
            services,
            {"": here, "builder": there},
            root=docker.parent,
            platform="linux/amd64",
            emit=events.append,
        )
    )
    assert {name: result.image.id for name, result in built.items()} == {"web": NEW.id, "api": NEW.id}
    calls = [json.loads(line) for line in docker.read_text().splitlines()]
    assert {call["host"]: call["builder"] for call in calls} == {
        "unix:///here": "",
        "unix:///there": "default",
    }


@pytest.mark.parametrize(
    ("created", "left"), [("2020-01-01T00:00:00Z", False), ("2999-01-01T00:00:00Z", True)]
)
def test_a_builder_keeps_one_image_of_a_service(docker: Path, created: str, left: bool) -> None:
    """What a build replaces is removed, unless another deploy may just have built it, or it has another tag."""
    there = FakeEngine(name="builder")
    released = Image(f"sha256:{2:064x}", (), (), (), {}, INFO.platform, 1000, created="2020-01-01T00:00:00Z")
    old = replace(released, id=f"sha256:{3:064x}", created=created)
    there.add_image("shop-api:latest", released)
    there.add_image("shop-api:r1", released)
    there.add_image("shop-web:latest", old)
    there.add_image("new", NEW)
    services = [built_on("builder"), built_on("builder", "api")]

    def emit(event: Event) -> None:
        if isinstance(event, BuildContext):  # the builder works: it moves the tags
            for name in ("web", "api"):
                there.add_image(f"shop-{name}:latest", NEW)

    asyncio.run(
        build_services(
            project(*services),
            services,
            {"builder": there},
            root=docker.parent,
            platform="linux/amd64",
            emit=emit,
        )
    )
    kept = {image.id for image in asyncio.run(there.images())}
    assert released.id in kept
    assert (old.id in kept) == left


@pytest.mark.parametrize("build", [True, False])
def test_without_builds_here_this_machine_needs_no_engine(docker: Path, *, build: bool) -> None:
    """Images of services and dependencies stay where they were built; a dependency gets its tag there."""
    there = session("shop")
    assert isinstance(there.engine, FakeEngine)
    for name in ("web", "search"):
        there.engine.add_image(f"shop-{name}:latest", replace(NEW, id=f"sha256:{len(name):064x}"))
    there.engine.add_image("built", NEW)
    search = Dependency(name="search", image="shop-search:latest", build=Build(on="server"))
    images = asyncio.run(
        built_images(
            project(built_on("server"), dependencies=(search,)),
            (),
            root=docker.parent,
            platform="linux/amd64",
            emit=lambda _: None,
            build=build,
            builders={"server": there},
        )
    )
    assert {name: image.on for name, image in images.items()} == {"web": "server", "search": "server"}
    content = images["search"].content.removeprefix("sha256:")[:12]
    assert f"tag {images['search'].id} shop-search:c{content}" in there.engine.calls


def test_a_ci_runner_writes_a_cache_here_and_not_from_another_machine(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builder of the runner can export one; the engine of a server cannot, and keeps its own."""
    monkeypatch.setenv("CI", "true")
    here, there = FakeEngine(name="this machine"), FakeEngine(name="builder")
    here.url, there.url = "unix:///here", "unix:///there"
    for engine in (here, there):
        engine.add_image("built", NEW)
    services = [
        service(name, build=Build(on=place, cache=("./cache",)))
        for name, place in (("web", None), ("api", "builder"))
    ]
    events: list[Event] = []
    asyncio.run(
        build_services(
            project(*services),
            services,
            {"": here, "builder": there},
            root=docker.parent,
            platform="linux/amd64",
            emit=events.append,
        )
    )
    calls = [json.loads(line) for line in docker.read_text().splitlines()]
    assert {call["host"]: call["writes"] for call in calls} == {"unix:///here": True, "unix:///there": False}
    assert [event for event in events if isinstance(event, Note)] == []


def test_another_processor_is_told_once(docker: Path) -> None:
    """On the first plan or build on this machine; later ones have their record."""
    (docker.parent / "Dockerfile").write_text("FROM scratch\nRUN make\n")
    here = FakeEngine(name="this machine")
    here.add_image("built", NEW)
    notes: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    for _ in range(2):
        asyncio.run(
            build_services(
                project(built_on(None)),
                [built_on(None)],
                {"": here},
                root=docker.parent,
                platform="linux/arm64",
                emit=emit,
            )
        )
    assert len(notes) == 1
    assert "for linux/arm64 is emulated, since this machine is linux/amd64" in notes[0]


def build_for(docker: Path, platforms: tuple[str, ...], server: str) -> list[Event]:
    """Build an image for several platforms here; its events."""
    here = FakeEngine(name="this machine")
    here.add_image("built", NEW)
    web = service("web", image="registry.example.com/web:1", build=Build(platforms=platforms))
    events: list[Event] = []
    asyncio.run(
        build_services(
            project(web), [web], {"": here}, root=docker.parent, platform=server, emit=events.append
        )
    )
    return events


def test_several_platforms_are_built_at_once(docker: Path) -> None:
    """The CLI takes them with commas; the note about emulation names those that are not the builder's."""
    (docker.parent / "Dockerfile").write_text("FROM scratch\nRUN make\n")
    events = build_for(docker, ("linux/amd64", "linux/arm64"), "linux/amd64")
    assert [each.platform for each in events if isinstance(each, BuildStarted)] == ["linux/amd64,linux/arm64"]
    (note,) = [each.text for each in events if isinstance(each, Note)]
    assert "Dockerfile for linux/arm64 is emulated" in note


def test_several_platforms_have_that_of_the_server(docker: Path) -> None:
    """It pulls the image."""
    with pytest.raises(BuildFailed, match="does not include the server's platform: linux/arm64"):
        build_for(docker, ("linux/amd64", "linux/riscv64"), "linux/arm64")
