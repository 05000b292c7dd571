"""The fakes that other unit tests rely on."""

from __future__ import annotations

import asyncio
import time

import pytest

from ftl.engine.specs import ContainerSpec, Publish
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Mount
from ftl.errors import EngineError, ServerError
from tests.support.clock import run
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine


def spec(
    image: str = "web:1", *, publish: tuple[Publish, ...] = (), mounts: tuple[Mount, ...] = ()
) -> ContainerSpec:
    """A container that the engine does not restart."""
    return ContainerSpec(image, {"ftl.project": "shop"}, publish=publish, mounts=mounts, restart="no")


def test_a_days_sleep_takes_no_time() -> None:
    """The clock jumps to the next timer; timeouts and the loop's time agree with it."""

    async def work() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(86_400):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(work()) == pytest.approx(86_400)
    assert time.monotonic() - began < 5


def test_the_clock_waits_for_sockets() -> None:
    """A connection on this machine is served before any time passes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def work() -> bytes:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            answer = await asyncio.wait_for(reader.readline(), 30)
            writer.close()
        return answer

    assert run(work()) == b"hello\n"


def test_a_container_lives_as_in_docker() -> None:
    """Names are unique, a running container is not removed without force, and a missing one is no error."""

    async def work() -> None:
        engine = FakeEngine(images=["web:1"])
        await engine.create("web", spec())
        with pytest.raises(EngineError) as taken:
            await engine.create("web", spec())
        assert taken.value.status == 409
        await engine.start("web")
        with pytest.raises(EngineError) as running:
            await engine.remove("web")
        assert running.value.status == 409
        await engine.rename("web", "old")
        assert await engine.container("web") is None
        assert [one.name for one in await engine.containers(labels={"ftl.project": "shop"})] == ["old"]
        assert await engine.containers(labels={"ftl.project": "blog"}) == []
        await engine.stop("old", timeout=1)
        await engine.remove("old")
        await engine.remove("old")
        with pytest.raises(EngineError) as missing:
            await engine.start("old")
        assert missing.value.status == 404
        assert engine.calls[-3:] == ["remove old", "remove old", "start old"]

    run(work())


def test_a_port_is_published_once() -> None:
    """The second container with the same port does not start."""

    async def work() -> None:
        engine = FakeEngine(images=["web:1"])
        for name in ("one", "two"):
            await engine.create(name, spec(publish=(Publish(80, 80),)))
        await engine.start("one")
        with pytest.raises(EngineError, match="refused") as error:
            await engine.start("two")
        assert "already allocated" in (error.value.cause or "")

    run(work())


def test_containers_behave_as_their_image_says() -> None:
    """One ends by itself after its seconds, with its status and log; one ignores the stop signal."""

    async def work() -> None:
        engine = FakeEngine(images=["job:1", "deaf:1"])
        engine.behaviors["job:1"] = Behavior(exit_code=3, seconds=10, log=("working", "!failed"))
        engine.behaviors["deaf:1"] = Behavior(ignores_stop=True)
        for name in ("job", "deaf"):
            await engine.create(name, spec(f"{name}:1"))
            await engine.start(name)
        loop = asyncio.get_running_loop()
        assert await engine.wait("job") == 3
        assert loop.time() == pytest.approx(10)
        assert [(line.stream, line.text) async for line in engine.logs("job", tail=1)] == [
            ("stderr", "failed")
        ]
        await engine.stop("deaf", timeout=5)
        assert loop.time() == pytest.approx(15)
        assert await engine.wait("deaf") == 137

    run(work())


def test_files_of_a_volume_outlive_a_container() -> None:
    """What one container got, another with the same volume has."""

    async def work() -> None:
        engine = FakeEngine(images=["web:1"])
        for name in ("one", "two"):
            await engine.create(name, spec(mounts=(Mount("state", "/ftl"),)))
        assert await engine.get_archive("one", "/ftl/shop") is None
        await engine.put_archive("one", "/ftl", tar_archive({"shop/r1.json": b"{}"}))
        await engine.remove("one")
        assert await engine.get_archive("two", "/ftl/shop") == {"shop/r1.json": b"{}"}
        assert await engine.get_archive("two", "/ftl") == {"ftl/shop/r1.json": b"{}"}

    run(work())


def test_networks_hand_out_addresses_and_stay_while_they_are_used() -> None:
    """Each container has an address of its own, and a network with containers is not removed."""

    async def work() -> None:
        engine = FakeEngine(images=["web:1"])
        await engine.create_network("net", {}, "10.9.8.0/24")
        for name in ("one", "two"):
            await engine.create(name, spec())
            await engine.connect("net", name, ["web"])
        assert [one.endpoints[0].address for one in await engine.containers()] == ["10.9.8.2", "10.9.8.3"]
        with pytest.raises(EngineError):
            await engine.remove_network("net")
        for name in ("one", "two"):
            await engine.disconnect("net", name)
        await engine.remove_network("net")
        assert await engine.networks() == []

    run(work())


def test_images_have_tags_and_go_with_the_last_one() -> None:
    """A tag moves; an image that a container uses keeps its last tag."""

    async def work() -> None:
        engine = FakeEngine(images=["web:1", "web:2"])
        await engine.tag("web:2", "web")
        image = await engine.image("web:latest")
        assert image is not None
        assert image.tags == ("web:2", "web:latest")
        await engine.untag("web:1")
        assert await engine.image("web:1") is None
        await engine.create("web", spec("web:2"))
        await engine.untag("web:latest")
        with pytest.raises(EngineError):
            await engine.untag("web:2")
        pushed = [line.digest async for line in engine.push("web:2")]
        assert [line async for line in FakeEngine.pull(engine, f"web@{pushed[0]}")]
        assert await engine.image(f"web@{pushed[0]}") is not None

    run(work())


def test_a_call_fails_or_waits_as_the_test_wants() -> None:
    """The n-th call fails before or after its effect; a blocked one goes on when its gate opens."""

    async def work() -> None:
        engine = FakeEngine(images=["web:1"])
        engine.fail("create", number=2, after=True)
        await engine.create("one", spec())
        with pytest.raises(EngineError):
            await engine.create("two", spec())
        assert await engine.container("two") is not None
        gate = engine.block("start")
        starting = asyncio.create_task(engine.start("one"))
        await gate.reached.wait()
        state = await engine.container("one")
        assert state is not None
        assert not state.running
        gate.open.set()
        await starting
        assert (await engine.containers())[0].state == "running"

    run(work())


def test_a_call_that_the_fake_lacks_fails() -> None:
    """It is never an empty answer."""
    with pytest.raises(NotImplementedError):
        run(FakeEngine().save(["web:1"]).__anext__())


def test_a_machine_gives_scripted_answers() -> None:
    """The latest answer whose words fit is given; others succeed without output."""

    async def work() -> None:
        machine = FakeMachine()
        machine.answer("cat", answer=CommandOutput(stdout=b"old"))
        machine.answer("cat", "/etc", answer=CommandOutput(1, stderr=b"no"))
        machine.answer("ssh", answer=CommandOutput(error=ServerError("gone")))
        assert (await machine.run(["cat", "/etc/x"])).exit_code == 1
        assert (await machine.run(["cat", "/x"], stdin=b"in")).stdout == b"old"
        assert (await machine.run(["true"])).exit_code == 0
        with pytest.raises(ServerError):
            await machine.run(["ssh"])
        assert machine.commands[1] == ("cat", "/x")
        assert machine.inputs[1] == b"in"

    run(work())


def test_a_started_process_runs_until_its_stdin_is_closed() -> None:
    """Its output can be read at once, and its input is kept."""

    async def work() -> None:
        machine = FakeMachine()
        machine.answer("lock", answer=CommandOutput(stdout=b"mine\n", stays=True))
        process = await machine.start(["lock"])
        assert process.stdout is not None
        assert process.stdin is not None
        assert await process.stdout.readline() == b"mine\n"
        process.stdin.write(b"beat\n")
        await process.stdin.drain()
        assert process.returncode is None
        process.stdin.close()
        assert await process.wait() == 0
        assert machine.processes[0].received == b"beat\n"
        assert await process.stdout.read() == b""

    run(work())
