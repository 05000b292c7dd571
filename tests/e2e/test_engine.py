"""The engine package against this machine's Docker engine."""

from __future__ import annotations

import asyncio
import io
import json
import resource
import tarfile
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ftl.engine import ContainerSpec, Engine, Healthcheck, Limit, Mount, Publish
from ftl.errors import EngineError, EngineUnavailable, ServerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, 120))


class Bench:
    """What a test makes on the engine, by names of its run; all of it is removed afterwards."""

    def __init__(self, url: str, image: str, prefix: str) -> None:
        self.url = url
        self.image = image
        self.prefix = prefix
        self.labels = {"ftl.test": prefix}

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """An open engine, swept before it is left."""
        async with Engine(self.url, name="this machine") as engine:
            try:
                yield engine
            finally:
                await self.sweep(engine)

    async def sweep(self, engine: Engine) -> None:
        """Remove what carries the test's labels."""
        for container in await engine.containers(labels=self.labels):
            await engine.remove(container.id, force=True)
        for network in await engine.networks(labels=self.labels):
            await engine.remove_network(network.id)
        for volume in await engine.volumes(labels=self.labels):
            await engine.remove_volume(volume.name)

    def spec(self, *command: str, **more: Any) -> ContainerSpec:
        """A container of busybox."""
        return ContainerSpec(
            image=self.image, labels=self.labels, command=("busybox", *command), restart="no", **more
        )

    async def started(self, engine: Engine, name: str, *command: str, **more: Any) -> str:
        """A running container of busybox; its name."""
        full = f"{self.prefix}-{name}"
        await engine.create(full, self.spec(*command, **more))
        await engine.start(full)
        return full


@pytest.fixture
def bench(engine: str, busybox: str, testrun_uid: str, worker_id: str) -> Bench:
    """A place for the test's containers, networks and volumes."""
    return Bench(engine, busybox, f"ftl-engine-{testrun_uid[:8]}-{worker_id}")


def tar(files: dict[str, bytes]) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


# --- the engine itself ------------------------------------------------------------------------------


def test_an_engine_says_what_it_is_and_speaks_the_lower_api_version(bench: Bench) -> None:
    """Version, platform and store are known, and the API spoken is one that both sides know."""

    async def work() -> None:
        async with bench.engine() as engine:
            info = await engine.info()
            assert info.version[0].isdigit()
            assert info.platform.startswith("linux/")
            assert info.store in ("overlay2", "containerd")
            assert tuple(map(int, info.api.split("."))) <= (1, 51)

    run(work())


def test_nobody_at_the_socket_is_unavailable(tmp_path: Path) -> None:
    """A socket that does not exist is EngineUnavailable, with the system's words."""

    async def work() -> None:
        async with Engine(f"unix://{tmp_path}/none.sock", name="this machine") as engine:
            with pytest.raises(EngineUnavailable, match="no engine answers on this machine") as caught:
                await engine.containers()
            assert caught.value.cause == "No such file or directory"

    run(work())


def test_the_machines_own_explanation_is_raised_when_no_engine_answers(tmp_path: Path) -> None:
    """What the machine knows about a silent engine takes the place of the engine's error."""

    async def explain() -> ServerError:
        return ServerError("the cable is out")

    async def work() -> None:
        async with Engine(f"unix://{tmp_path}/none.sock", name="shop", explain=explain) as engine:
            with pytest.raises(ServerError, match="the cable is out"):
                await engine.info()

    run(work())


def test_something_else_behind_the_socket_is_said_to_be_no_engine(tmp_path: Path) -> None:
    """A socket of another program does not look like a Docker error."""
    path = tmp_path / "other.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async def work() -> None:
        async with (
            await asyncio.start_unix_server(answer, path),
            Engine(f"unix://{path}", name="this machine") as engine,
        ):
            with pytest.raises(EngineError, match="does not speak Docker's API"):
                await engine.info()

    run(work())


class Counter:
    """A relay to the engine that counts requests and connections."""

    def __init__(self, engine_socket: str, path: Path) -> None:
        self.engine_socket = engine_socket
        self.path = path
        self.requests: list[str] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        self.connections += 1
        there_reader, there_writer = await asyncio.open_unix_connection(self.engine_socket)

        async def out() -> None:
            while data := await reader.read(65536):
                first = data.split(b"\r\n", 1)[0]
                if first.endswith(b" HTTP/1.1"):
                    self.requests.append(first.decode())
                there_writer.write(data)
            there_writer.close()

        async def back() -> None:
            while data := await there_reader.read(65536):
                writer.write(data)
            writer.close()

        await asyncio.gather(out(), back(), return_exceptions=True)


def test_observing_costs_one_request_a_list_over_kept_connections(bench: Bench, tmp_path: Path) -> None:
    """After one question for what the engine is, every list is one request, over connections that stay."""
    counter = Counter(bench.url.removeprefix("unix://"), tmp_path / "relay.sock")

    async def work() -> None:
        async with (
            await asyncio.start_unix_server(counter, counter.path),
            Engine(f"unix://{counter.path}", name="this machine") as engine,
        ):
            calls = (engine.info, engine.containers, engine.images, engine.networks, engine.volumes)
            await asyncio.gather(*(call() for call in calls))
            assert len(counter.requests) == 5
            opened = counter.connections
            await asyncio.gather(*(call() for call in calls))
            assert len(counter.requests) == 9
            assert counter.connections == opened

    run(work())


# --- containers -------------------------------------------------------------------------------------


def test_a_container_is_created_as_specified_and_listed(bench: Bench) -> None:
    """What a spec asks for is what the engine runs: networks, aliases, ports, mounts, limits, health, log bounds."""

    async def work() -> None:
        async with bench.engine() as engine:
            first = await engine.create_network(f"{bench.prefix}-a", bench.labels)
            second = await engine.create_network(f"{bench.prefix}-b", bench.labels)
            await engine.create_volume(f"{bench.prefix}-v", bench.labels)
            name = await bench.started(
                engine,
                "whole",
                *("sh", "-c", "busybox echo $A; busybox sh -c 'ulimit -n'; exec busybox sleep 300"),
                env={"A": "x y\n$z"},
                networks={first.name: ("one",), second.name: ("two",)},
                mounts=(Mount(f"{bench.prefix}-v", "/data"),),
                publish=(Publish(8000, 0, "127.0.0.1"),),
                ulimits=(Limit("nofile", 123, 456),),
                healthcheck=Healthcheck(("CMD", "busybox", "echo", "fine"), 0.2, 1.0, 1, 0.0),
            )
            (listed,) = await engine.containers(labels=bench.labels)
            assert (listed.name, listed.state) == (name, "running")
            assert bench.labels.items() <= listed.labels.items()
            assert {place.network for place in listed.endpoints} == {first.name, second.name}
            assert all(place.address for place in listed.endpoints)
            (port,) = listed.published
            assert (port.container_port, port.host_address) == (8000, "127.0.0.1")
            assert port.host_port > 0
            state = await engine.container(name)
            assert state is not None
            aliases = {place.network: place.aliases for place in state.endpoints}
            assert "one" in aliases[first.name]
            assert "two" in aliases[second.name]
            while state.health == "starting":
                await asyncio.sleep(0.1)
                state = await engine.container(name)
                assert state is not None
            assert (state.health, state.health_log) == ("healthy", "fine")
            lines = [line.text async for line in engine.logs(name)]
            assert "x y $z" in lines
            assert "123" in lines

    run(work())


def test_an_exit_is_told_with_its_status_and_memory_kill(bench: Bench) -> None:
    """`wait` returns the status, the state says that it ended by itself."""

    async def work() -> None:
        async with bench.engine() as engine:
            name = await bench.started(engine, "exits", "sh", "-c", "exit 7")
            assert await engine.wait(name) == 7
            state = await engine.container(name)
            assert state is not None
            assert (state.running, state.exit_code, state.oom_killed) == (False, 7, False)

    run(work())


def test_a_network_that_is_refused_leaves_no_half_container(bench: Bench) -> None:
    """A container that cannot be connected to all of its networks is removed again."""

    async def work() -> None:
        async with bench.engine() as engine:
            await engine.create_network(f"{bench.prefix}-a", bench.labels)
            networks = {f"{bench.prefix}-a": (), "host": ()}
            with pytest.raises(EngineError, match="to the network host"):
                await engine.create(f"{bench.prefix}-half", bench.spec("true", networks=networks))
            assert await engine.container(f"{bench.prefix}-half") is None

    run(work())


def test_what_is_gone_already_is_no_error(bench: Bench) -> None:
    """Removing and stopping what is not there, or has ended, is done before it begins."""

    async def work() -> None:
        async with bench.engine() as engine:
            missing = f"{bench.prefix}-missing"
            await engine.remove(missing, force=True)
            await engine.remove_network(missing)
            await engine.remove_volume(missing)
            await engine.untag(missing)
            assert await engine.container(missing) is None
            assert await engine.image(missing) is None
            assert await engine.get_archive(missing, "/x") is None
            name = await bench.started(engine, "twice", "sleep", "300")
            await engine.start(name)
            await engine.stop(name, timeout=0)
            await engine.stop(name, timeout=0)
            await engine.rename(name, f"{bench.prefix}-renamed")
            assert await engine.container(name) is None

    run(work())


def test_an_error_carries_the_engines_status_and_words(bench: Bench) -> None:
    """A name that is taken is a conflict, in the engine's words."""

    async def work() -> None:
        async with bench.engine() as engine:
            await engine.create(f"{bench.prefix}-one", bench.spec("true"))
            with pytest.raises(EngineError, match=rf"could not create {bench.prefix}-one") as caught:
                await engine.create(f"{bench.prefix}-one", bench.spec("true"))
            assert caught.value.status == 409
            assert caught.value.cause is not None
            assert "already in use" in caught.value.cause

    run(work())


def test_a_port_that_is_taken_says_so(bench: Bench) -> None:
    """A published port that another container has comes with a hint how to find it."""

    async def work() -> None:
        async with bench.engine() as engine:
            await bench.started(engine, "first", "sleep", "300", publish=(Publish(80, 0, "127.0.0.1"),))
            (listed,) = await engine.containers(labels=bench.labels)
            taken = Publish(80, listed.published[0].host_port, "127.0.0.1")
            with pytest.raises(EngineError) as caught:
                await bench.started(engine, "second", "sleep", "300", publish=(taken,))
            assert caught.value.hint is not None
            assert "ss -ltnp" in caught.value.hint

    run(work())


def test_a_command_inside_has_stdin_two_outputs_and_a_status(bench: Bench) -> None:
    """An exec reads its input to the end, and its outputs stay apart."""

    async def work() -> None:
        async with bench.engine() as engine:
            name = await bench.started(engine, "exec", "sleep", "300")
            script = "busybox wc -c; busybox echo oops >&2; exit 3"
            done = await engine.execute(name, ["busybox", "sh", "-c", script], stdin=b"x" * 1_000_000)
            assert (done.exit_code, done.stdout.strip(), done.stderr) == (3, b"1000000", b"oops\n")
            quiet = await engine.execute(name, ["busybox", "cat"], stdin=b"")
            assert (quiet.exit_code, quiet.stdout) == (0, b"")
            argument = 'a\'b "$HOME" \n'
            echoed = await engine.execute(name, ["busybox", "echo", "-n", argument])
            assert echoed.stdout == argument.encode()

    run(work())


def test_a_command_inside_is_bounded(bench: Bench) -> None:
    """An exec that does not end in its time is given up."""

    async def work() -> None:
        async with bench.engine() as engine:
            name = await bench.started(engine, "bound", "sleep", "300")
            with pytest.raises(EngineUnavailable, match="within 1 seconds"):
                await engine.execute(name, ["busybox", "sleep", "60"], seconds=1.0)

    run(work())


def test_a_log_keeps_streams_order_and_long_lines(bench: Bench) -> None:
    """Lines come whole, with their stream and time, and can be asked for from a time on."""
    script = (
        "busybox echo one; busybox sleep 0.2; busybox echo two >&2; busybox sleep 0.2; "
        "busybox head -c 50000 /dev/zero | busybox tr '\\0' x; busybox echo; busybox echo -n last"
    )

    async def work() -> None:
        async with bench.engine() as engine:
            name = await bench.started(engine, "log", "sh", "-c", script)
            await engine.wait(name)
            lines = [line async for line in engine.logs(name)]
            assert [(line.stream, line.text) for line in lines] == [
                ("stdout", "one"),
                ("stderr", "two"),
                ("stdout", "x" * 50000),
                ("stdout", "last"),
            ]
            assert sorted(line.time for line in lines) == [line.time for line in lines]
            later = [line.text[:4] async for line in engine.logs(name, since=lines[1].time)]
            assert later == ["two", "xxxx", "last"]
            assert [line.time async for line in engine.logs(name, tail=1, timestamps=False)] == [""]

    run(work())


def test_a_followed_log_ends_with_its_container_and_can_be_left(bench: Bench) -> None:
    """Following yields lines as they are written; leaving early closes the stream."""

    async def work() -> None:
        async with bench.engine() as engine:
            script = "busybox echo a; busybox sleep 1; busybox echo b"
            name = await bench.started(engine, "follow", "sh", "-c", script)
            assert [line.text async for line in engine.logs(name, follow=True)] == ["a", "b"]
            endless = await bench.started(
                engine, "endless", "sh", "-c", "while :; do busybox echo x; busybox sleep 0.1; done"
            )
            async with aclosing(engine.logs(endless, follow=True)) as lines:
                async for line in lines:
                    assert line.text == "x"
                    break

    run(work())


def test_files_go_in_and_come_out_of_a_container_that_never_ran(bench: Bench) -> None:
    """The archive calls work on a created container, which is how release records are kept."""

    async def work() -> None:
        async with bench.engine() as engine:
            name = f"{bench.prefix}-state"
            await engine.create_volume(f"{bench.prefix}-v", bench.labels)
            mounts = (Mount(f"{bench.prefix}-v", "/state"),)
            await engine.create(name, bench.spec("true", mounts=mounts))
            await engine.put_archive(
                name, "/state", tar({"shop/r1.json": b"{}", "shop/r2.json": b"x" * 100_000})
            )
            assert await engine.get_archive(name, "/state/shop") == {
                "shop/r1.json": b"{}",
                "shop/r2.json": b"x" * 100_000,
            }
            assert await engine.get_archive(name, "/state/none") is None

    run(work())


# --- networks ---------------------------------------------------------------------------------------


def test_a_network_is_made_once_with_its_subnet(bench: Bench) -> None:
    """Asking again for a network returns the one that is there."""

    async def work() -> None:
        async with bench.engine() as engine:
            name = f"{bench.prefix}-net"
            made = await engine.create_network(name, bench.labels, subnet="10.213.77.0/24")
            assert made.subnets == ("10.213.77.0/24",)
            assert await engine.create_network(name, {"other": "label"}) == made
            container = await bench.started(engine, "member", "sleep", "300")
            await engine.connect(name, container, ["alias"], address="10.213.77.99")
            state = await engine.container(container)
            assert state is not None
            (place,) = [place for place in state.endpoints if place.network == name]
            assert place.address == "10.213.77.99"
            assert "alias" in place.aliases
            await engine.disconnect(name, container)
            await engine.disconnect(f"{bench.prefix}-gone", container)

    run(work())


# --- images -----------------------------------------------------------------------------------------


@pytest.fixture
def scratch_tag(bench: Bench) -> Iterator[str]:
    """A tag of the test's own."""
    tag = f"{bench.prefix}-image:r1"
    yield tag

    async def work() -> None:
        async with Engine(bench.url, name="this machine") as engine:
            await engine.untag(tag)

    run(work())


def test_an_image_is_tagged_inspected_listed_and_untagged(bench: Bench, scratch_tag: str) -> None:
    """A tag comes and goes without touching the image's others."""

    async def work() -> None:
        async with bench.engine() as engine:
            await engine.tag(bench.image, scratch_tag)
            image = await engine.image(scratch_tag)
            assert image is not None
            assert scratch_tag in image.tags
            assert image.layers
            assert image.platform == (await engine.info()).platform
            assert image.id in {listed.id for listed in await engine.images()}
            await engine.untag(scratch_tag)
            assert await engine.image(scratch_tag) is None
            assert await engine.image(bench.image) is not None

    run(work())


def test_several_images_are_saved_and_loaded_in_one_archive(bench: Bench, scratch_tag: str) -> None:
    """`save` of two references is one archive with both, and `load` takes it as it comes."""

    async def work() -> None:
        async with bench.engine() as engine:
            await engine.tag(bench.image, scratch_tag)
            content = b"".join([chunk async for chunk in engine.save([bench.image, scratch_tag])])
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest is not None
                tags = {tag for entry in json.load(manifest) for tag in entry["RepoTags"]}
            assert scratch_tag in tags
            await engine.untag(scratch_tag)
            messages = await engine.load(_chunks(content))
            assert f"Loaded image: {scratch_tag}" in messages
            assert await engine.image(scratch_tag) is not None

    run(work())


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]


def test_a_broken_archive_is_an_error_and_not_a_success(bench: Bench) -> None:
    """An engine that reports the error inside a stream that began with 200 is still heard."""

    async def work() -> None:
        async with bench.engine() as engine:
            with pytest.raises(EngineError, match="could not load an image"):
                await engine.load(_chunks(b"no archive at all" * 100))

    run(work())


def test_the_archives_own_error_passes_through_a_load(bench: Bench) -> None:
    """What goes wrong while the archive is made here is raised as it is."""

    class Mine(Exception):
        """Ours alone."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        raise Mine

    async def work() -> None:
        async with bench.engine() as engine:
            with pytest.raises(Mine):
                await engine.load(broken())

    run(work())


def test_a_large_archive_is_loaded_in_little_memory(bench: Bench) -> None:
    """A gigabyte goes to the engine without being held here."""

    async def zeros() -> AsyncIterator[bytes]:
        info = tarfile.TarInfo("junk")
        info.size = 1 << 30
        yield info.tobuf()
        chunk = bytes(1 << 20)
        for _again in range(1 << 10):
            yield chunk
        yield bytes(1024)

    async def work() -> None:
        async with bench.engine() as engine:
            await engine.info()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with pytest.raises(EngineError):  # there is no manifest in it
                await engine.load(zeros())
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB

    run(work())


def test_a_pull_that_fails_says_why(bench: Bench) -> None:
    """A registry that does not answer is reported in the engine's words, credentials or not."""

    async def work() -> None:
        async with bench.engine() as engine:
            for auth in (None, {"username": "me", "password": "secret"}):
                with pytest.raises(EngineError, match=r"could not pull 127\.0\.0\.1:1/none") as caught:
                    async for _status in engine.pull("127.0.0.1:1/none:1", auth=auth):
                        pass
                assert caught.value.cause is not None
                assert "connection refused" in caught.value.cause

    run(work())
