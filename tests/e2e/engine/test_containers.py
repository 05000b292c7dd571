"""Containers and networks through the engine package."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from tests.e2e.support.engine import EngineTestbed, run, tar

from ftl.config.models.container import Logging, Resources
from ftl.config.models.project import Dependency
from ftl.deploy.plan.desired.settings import engine_settings
from ftl.engine.specs import ContainerFile, Healthcheck, Publish, Ulimit
from ftl.engine.values import Mount
from ftl.errors import EngineError, EngineUnavailable

pytestmark = pytest.mark.engine


def test_a_container_is_created_as_specified_and_listed(testbed: EngineTestbed) -> None:
    """The engine applies a spec: networks, aliases, ports, mounts, limits, health check, log limits."""

    async def work() -> None:
        async with testbed.engine() as engine:
            first = await engine.create_network(f"{testbed.prefix}-a", testbed.labels)
            second = await engine.create_network(f"{testbed.prefix}-b", testbed.labels)
            await engine.create_volume(f"{testbed.prefix}-v", testbed.labels)
            name = await testbed.started(
                engine,
                "whole",
                *("sh", "-c", "busybox echo $A; busybox sh -c 'ulimit -n'; exec busybox sleep 300"),
                env={"A": "x y\n$z"},
                networks={first.name: ("one",), second.name: ("two",)},
                mounts=(Mount(f"{testbed.prefix}-v", "/data"),),
                publish=(Publish(8000, 0, "127.0.0.1"),),
                ulimits=(Ulimit("nofile", 123, 456),),
                healthcheck=Healthcheck(("CMD", "busybox", "echo", "fine"), 0.2, 1.0, 1, 0.0),
            )
            (listed,) = await engine.containers(labels=testbed.labels)
            assert (listed.name, listed.state) == (name, "running")
            assert testbed.labels.items() <= listed.labels.items()
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


def test_settings_of_users_are_applied(testbed: EngineTestbed) -> None:
    """The engine accepts every setting that ftl.yaml has, and the container sees it."""
    section = Dependency(
        name="x",
        image="x",
        resources=Resources(memory=64 << 20, cpus=0.5, pids=50),
        user="1234:1234",
        working_dir="/tmp",
        read_only=True,
        tmpfs=("/scratch:size=1m",),
        shm_size=1 << 20,
        init=True,
        stop_signal="SIGQUIT",
        extra_hosts=("db.example.com:203.0.113.7", "host:host-gateway"),
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        sysctls={"net.core.somaxconn": "77"},
        devices=("/dev/null:/dev/nothing:r",),
        logging=Logging(options={"max-size": "1m"}),
    )
    script = (
        "busybox id -u; busybox pwd; busybox cat /etc/hosts /proc/sys/net/core/somaxconn; "
        "busybox touch /x || echo read-only; busybox ls /dev/nothing; exec busybox sleep 300"
    )

    async def work() -> None:
        async with testbed.engine() as engine:
            settings = engine_settings(section)
            name = await testbed.started(engine, "settings", "sh", "-c", script, settings=settings)
            lines: list[str] = []
            async with asyncio.timeout(20):
                while "/dev/nothing" not in lines:
                    lines = [line.text async for line in engine.logs(name)]
            assert {"1234", "/tmp", "77", "read-only"} <= set(lines)
            assert any("203.0.113.7" in line for line in lines)

    run(work())


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"HostConfig.ReadonlyRootfs": True},
        {"HostConfig.Tmpfs": {"/run": "size=1m"}},
        {"HostConfig.Tmpfs": {"/run": "size=1m"}, "HostConfig.ReadonlyRootfs": True},
    ],
    ids=["writable", "read-only", "tmpfs", "read-only-tmpfs"],
)
def test_files_are_in_the_container_before_it_starts(testbed: EngineTestbed, more: dict[str, object]) -> None:
    """With their owner and permissions, also below folders that the image does not have, or that a tmpfs hides."""
    file = ContainerFile("/run/secrets/key", "hunter2\n", 0o400, 1234, 1234)
    script = "busybox ls -ln /run/secrets/key; busybox cat /run/secrets/key; busybox ls -ld /run/secrets"

    async def work() -> None:
        async with testbed.engine() as engine:
            name = await testbed.started(
                engine, "files", "sh", "-c", script, files=(file,), settings={"User": "1234:1234", **more}
            )
            assert await engine.wait(name) == 0
            first, content, folder = [line.text async for line in engine.logs(name)]
            assert first.startswith("-r--------")
            assert first.split()[2:4] == ["1234", "1234"]
            assert content == "hunter2"
            assert folder.startswith("drwxr-xr-x")

    run(work())


def test_an_exit_is_told_with_its_status_and_memory_kill(testbed: EngineTestbed) -> None:
    """`wait` returns the exit status, and the state has it, too."""

    async def work() -> None:
        async with testbed.engine() as engine:
            name = await testbed.started(engine, "exits", "sh", "-c", "exit 7")
            assert await engine.wait(name) == 7
            state = await engine.container(name)
            assert state is not None
            assert (state.running, state.exit_code, state.oom_killed) == (False, 7, False)

    run(work())


def test_a_network_that_is_refused_leaves_no_half_container(testbed: EngineTestbed) -> None:
    """A container that cannot be connected to all of its networks is removed again."""

    async def work() -> None:
        async with testbed.engine() as engine:
            await engine.create_network(f"{testbed.prefix}-a", testbed.labels)
            networks = {f"{testbed.prefix}-a": (), "host": ()}
            with pytest.raises(EngineError, match="to the network host"):
                await engine.create(f"{testbed.prefix}-half", testbed.spec("true", networks=networks))
            assert await engine.container(f"{testbed.prefix}-half") is None

    run(work())


def test_what_is_gone_already_is_no_error(testbed: EngineTestbed) -> None:
    """Removing a missing object and stopping an ended container are no errors."""

    async def work() -> None:
        async with testbed.engine() as engine:
            missing = f"{testbed.prefix}-missing"
            await engine.remove(missing, force=True)
            await engine.remove_network(missing)
            await engine.remove_volume(missing)
            await engine.untag(missing)
            assert await engine.container(missing) is None
            assert await engine.image(missing) is None
            assert await engine.get_archive(missing, "/x") is None
            name = await testbed.started(engine, "twice", "sleep", "300")
            await engine.start(name)
            await engine.stop(name, timeout=0)
            await engine.stop(name, timeout=0)
            await engine.rename(name, f"{testbed.prefix}-renamed")
            assert await engine.container(name) is None

    run(work())


def test_an_error_carries_the_engines_status_and_words(testbed: EngineTestbed) -> None:
    """A name that is taken is a conflict with the engine's message."""

    async def work() -> None:
        async with testbed.engine() as engine:
            await engine.create(f"{testbed.prefix}-one", testbed.spec("true"))
            with pytest.raises(EngineError, match=rf"could not create {testbed.prefix}-one") as caught:
                await engine.create(f"{testbed.prefix}-one", testbed.spec("true"))
            assert caught.value.status == 409
            assert caught.value.cause is not None
            assert "already in use" in caught.value.cause

    run(work())


def test_a_port_that_is_taken_says_so(testbed: EngineTestbed) -> None:
    """A port that another container publishes is an error with a hint how to find that."""

    async def work() -> None:
        async with testbed.engine() as engine:
            await testbed.started(engine, "first", "sleep", "300", publish=(Publish(80, 0, "127.0.0.1"),))
            (listed,) = await engine.containers(labels=testbed.labels)
            taken = Publish(80, listed.published[0].host_port, "127.0.0.1")
            with pytest.raises(EngineError) as caught:
                await testbed.started(engine, "second", "sleep", "300", publish=(taken,))
            assert caught.value.hint is not None
            assert "ss -ltnp" in caught.value.hint

    run(work())


def test_a_command_inside_has_stdin_two_outputs_and_a_status(testbed: EngineTestbed) -> None:
    """An exec reads its input up to end of file, and its two outputs are separate."""

    async def work() -> None:
        async with testbed.engine() as engine:
            name = await testbed.started(engine, "exec", "sleep", "300")
            script = "busybox wc -c; busybox echo oops >&2; exit 3"
            done = await engine.execute(name, ["busybox", "sh", "-c", script], stdin=b"x" * 1_000_000)
            assert (done.exit_code, done.stdout.strip(), done.stderr) == (3, b"1000000", b"oops\n")
            quiet = await engine.execute(name, ["busybox", "cat"], stdin=b"")
            assert (quiet.exit_code, quiet.stdout) == (0, b"")
            argument = 'a\'b "$HOME" \n'
            echoed = await engine.execute(name, ["busybox", "echo", "-n", argument])
            assert echoed.stdout == argument.encode()

    run(work())


def test_a_command_inside_is_bounded(testbed: EngineTestbed) -> None:
    """An exec that exceeds its time limit is given up."""

    async def work() -> None:
        async with testbed.engine() as engine:
            name = await testbed.started(engine, "bound", "sleep", "300")
            with pytest.raises(EngineUnavailable, match="within 1 seconds"):
                await engine.execute(name, ["busybox", "sleep", "60"], seconds=1.0)

    run(work())


def test_a_log_keeps_streams_order_and_long_lines(testbed: EngineTestbed) -> None:
    """Lines are complete, have stream and time, and can be limited by a start time."""
    script = (
        "busybox echo one; busybox sleep 0.2; busybox echo two >&2; busybox sleep 0.2; "
        "busybox head -c 50000 /dev/zero | busybox tr '\\0' x; busybox echo; busybox echo -n last"
    )

    async def work() -> None:
        async with testbed.engine() as engine:
            name = await testbed.started(engine, "log", "sh", "-c", script)
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


def test_a_followed_log_ends_with_its_container_and_can_be_left(testbed: EngineTestbed) -> None:
    """Following yields lines as they are written; leaving early closes the stream."""

    async def work() -> None:
        async with testbed.engine() as engine:
            script = "busybox echo a; busybox sleep 1; busybox echo b"
            name = await testbed.started(engine, "follow", "sh", "-c", script)
            assert [line.text async for line in engine.logs(name, follow=True)] == ["a", "b"]
            endless = await testbed.started(
                engine, "endless", "sh", "-c", "while :; do busybox echo x; busybox sleep 0.1; done"
            )
            async with aclosing(engine.logs(endless, follow=True)) as lines:
                async for line in lines:
                    assert line.text == "x"
                    break

    run(work())


def test_files_go_in_and_come_out_of_a_container_that_never_ran(testbed: EngineTestbed) -> None:
    """The archive calls work on a container that was never started, as for release records."""

    async def work() -> None:
        async with testbed.engine() as engine:
            name = f"{testbed.prefix}-state"
            await engine.create_volume(f"{testbed.prefix}-v", testbed.labels)
            mounts = (Mount(f"{testbed.prefix}-v", "/state"),)
            await engine.create(name, testbed.spec("true", mounts=mounts))
            await engine.put_archive(
                name, "/state", tar({"shop/r1.json": b"{}", "shop/r2.json": b"x" * 100_000})
            )
            assert await engine.get_archive(name, "/state/shop") == {
                "shop/r1.json": b"{}",
                "shop/r2.json": b"x" * 100_000,
            }
            assert await engine.get_archive(name, "/state/none") is None

    run(work())


def test_a_network_is_made_once_with_its_subnet(testbed: EngineTestbed) -> None:
    """Creating a network that exists returns it."""

    async def work() -> None:
        async with testbed.engine() as engine:
            name = f"{testbed.prefix}-net"
            made = await engine.create_network(name, testbed.labels, subnet="10.213.77.0/24")
            assert made.subnets == ("10.213.77.0/24",)
            assert await engine.create_network(name, {"other": "label"}) == made
            container = await testbed.started(engine, "member", "sleep", "300")
            await engine.connect(name, container, ["alias"], address="10.213.77.99")
            state = await engine.container(container)
            assert state is not None
            (place,) = [place for place in state.endpoints if place.network == name]
            assert place.address == "10.213.77.99"
            assert "alias" in place.aliases
            await engine.disconnect(name, container)
            await engine.disconnect(f"{testbed.prefix}-gone", container)

    run(work())
