"""Generations: a cut at any point of any write leaves a whole one of each file."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.engine.values import ArchivedFile
from ftl.releases import file_copies
from ftl.releases.file_copies import CONTAINER, ON_DISK_SECONDS, ROOT
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.values import EngineInfo

ON_DISK = 35.0
"""Seconds after which Linux has written a file: 30, looked at every 5."""


@dataclass
class Inode:
    """A file's content; several names may stand for it."""

    content: bytes
    modified: float
    begun: float  # when its content was written


@dataclass
class Disk:
    """The store's files on a server, whose engine can be stopped within a call.

    Attributes:
        steps: System calls that it still does before everything ends; None: all.
    """

    names: dict[str, Inode] = field(default_factory=dict)
    now: float = 1_000_000.0
    steps: int | None = None

    def unpack(self, archive: bytes) -> None:
        """As the engine does: remove what has the name, create, write; for a link: remove, link."""
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                if member.isdir():
                    continue
                self._step()
                linked = self.names.get(member.linkname) if member.islnk() else None
                self.names.pop(member.name, None)
                self._step()
                if member.islnk():
                    assert linked is not None, "a link to nothing"
                    self.names[member.name] = linked
                    continue
                file = tar.extractfile(member)
                assert file is not None
                content = file.read()
                self.names[member.name] = inode = Inode(b"", self.now, self.now)
                self._step()
                inode.content = content[: len(content) // 2]
                self._step()
                inode.content, inode.modified = content, member.mtime

    def _step(self) -> None:
        if self.steps is not None:
            if self.steps == 0:
                raise Cut
            self.steps -= 1

    def lose_power(self, left: float) -> None:
        """Of what is not on the disk yet a part is left: none, half, all."""
        for inode in {id(inode): inode for inode in self.names.values()}.values():
            if self.now - inode.begun < ON_DISK:
                inode.content = inode.content[: int(len(inode.content) * left)]


class Cut(Exception):
    """The engine is gone."""


class DiskEngine(FakeEngine):
    """An engine that has such a disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk

    async def info(self) -> EngineInfo:
        return replace(INFO, clock_ahead=self.disk.now - time.time())

    async def put_archive(self, container: str, path: str, archive: bytes) -> None:
        assert (container, path) == (CONTAINER, ROOT)
        self.disk.unpack(archive)

    async def read_archive(self, container: str, path: str) -> dict[str, ArchivedFile] | None:
        place = path.removeprefix(f"{ROOT}/")
        found = {
            name if "/" not in place else name.rpartition("/")[2]: ArchivedFile(inode.content, inode.modified)
            for name, inode in self.disk.names.items()
            if f"{name}/".startswith(f"{place}/")
        }
        return found or None


def engine_of(disk: Disk) -> Engine:
    """A new connection to the server: a command of its own."""
    return cast("Engine", DiskEngine(disk))


def content(number: int) -> bytes:
    """The content of a write, which tells its number."""
    return json.dumps({"number": number, "padding": "x" * 20}).encode()


def lines(number: int) -> bytes:
    """Likewise, of lines."""
    return b"".join(b'{"number": %d}\n' % number for _ in range(3))


def number_in(name: str, data: bytes | None) -> int:
    """The number of the write that a content is of; 0: none."""
    if data is None:
        return 0
    number = json.loads(data.splitlines()[0])["number"]
    assert isinstance(number, int)
    assert data == (lines if name.endswith("l") else content)(number), "not whole"
    return number


async def stored(disk: Disk, name: str) -> tuple[int, bool]:
    """What a new command reads, and whether it knows that it is not the newest."""
    found = await file_copies.read(engine_of(disk), "shop")
    return number_in(name, found.files.get(f"shop/{name}")), f"shop/{name}" in found.damaged


def histories() -> st.SearchStrategy[list[tuple[float, bool]]]:
    """Seconds before each write, and whether it is another command's."""
    pause = st.sampled_from([0.0, 1.0, 20.0, 40.0, ON_DISK_SECONDS + 1, 500.0])
    return st.lists(st.tuples(pause, st.booleans()), min_size=1, max_size=6)


@pytest.mark.parametrize("name", ["r12.json", "audit.jsonl"])
@settings(deadline=None, max_examples=100)
@given(
    history=histories(),
    steps=st.integers(0, 12),
    left=st.sampled_from([0.0, 0.5, 1.0]),
    power=st.booleans(),
    forget=st.booleans(),
)
def test_a_cut_leaves_a_whole_copy(
    name: str, history: list[tuple[float, bool]], steps: int, left: float, power: bool, forget: bool
) -> None:
    """What was the newest for a minute, or newer; after the end of the engine alone there is always one."""
    disk = Disk()
    make = lines if name.endswith("l") else content
    times: list[float] = []
    last = len(history)

    async def write(engine: Engine, number: int, *forget: str) -> None:
        await file_copies.write(engine, "shop", {name: make(number)}, forget=forget)

    async def work() -> None:
        engine = engine_of(disk)
        for number, (pause, new) in enumerate(history, 1):
            disk.now += pause
            times.append(disk.now)
            engine = engine_of(disk) if new else engine
            if number == last:
                disk.steps = steps
                with suppress(Cut):
                    await write(engine, number, *([name] if forget else []))
            else:
                await write(engine, number)
        if power:
            disk.lose_power(left)
        disk.steps = None
        found, damaged = await stored(disk, name)
        # Those that were the newest for long enough; the first is left alone until one is.
        rested = [number for number in range(1, last) if times[number] - times[number - 1] > ON_DISK_SECONDS]
        on_disk = max(rested, default=int(times[-1] - times[0] > ON_DISK_SECONDS))
        assert found <= last
        if not (power and forget):  # what must not stay anywhere protects from no power cut
            assert found >= on_disk
        if not power and last > 1:
            assert found, "one whole copy was left alone"
        if not found and disk.names:
            assert damaged, "an empty file is never taken for one without content"
        # The next command goes on from there.
        disk.now += 1
        await write(engine_of(disk), 99)
        assert await stored(disk, name) == (99, False)

    asyncio.run(work())


def test_an_older_copy_goes_once_it_is_of_no_use() -> None:
    """With the next write of anything: it would only make each read longer, and keep values."""
    disk = Disk()
    engine = engine_of(disk)

    def write(name: str, number: int) -> None:
        asyncio.run(file_copies.write(engine, "shop", {name: content(number)}))

    write("r1.json", 1)
    disk.now += 100
    write("r1.json", 2)
    assert number_in("r1.json", disk.names["shop/r1.json.old"].content) == 1
    disk.now += 10
    write("r2.json", 1)
    assert number_in("r1.json", disk.names["shop/r1.json.old"].content) == 1, "r1.json may not be on the disk"
    disk.now += 100
    write("r2.json", 2)
    assert disk.names["shop/r1.json.old"] is disk.names["shop/r1.json"]


def test_values_that_must_not_stay_go_at_once() -> None:
    """With a record without values its older copy, too."""
    disk = Disk()
    engine = engine_of(disk)
    for pause, forget in ((0, []), (100, []), (100, ["r1.json"])):
        disk.now += pause
        asyncio.run(file_copies.write(engine, "shop", {"r1.json": content(pause)}, forget=forget))
    assert disk.names["shop/r1.json.old"] is disk.names["shop/r1.json"]


def test_a_file_system_without_links_gets_files() -> None:
    """Better without an older copy than not at all."""

    class Without(DiskEngine):
        async def put_archive(self, container: str, path: str, archive: bytes) -> None:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                if any(member.islnk() for member in tar):
                    raise self._refuse(500, "link r1.json r1.json.old: operation not permitted")
            await super().put_archive(container, path, archive)

    disk = Disk()
    engine = cast("Engine", Without(disk))
    for number in (1, 2):
        disk.now += 100
        asyncio.run(file_copies.write(engine, "shop", {"r1.json": content(number)}, forget=["r1.json"]))
        assert asyncio.run(stored(disk, "r1.json")) == (number, False)


def test_a_file_that_is_being_written_is_read_again() -> None:
    """Who only reads waits for no lock, and calls nothing damaged that is whole a moment later."""
    disk = Disk()
    asyncio.run(file_copies.write(engine_of(disk), "shop", {"r1.json": content(1)}))

    class Busy(DiskEngine):
        reads_so_far = 0

        async def read_archive(self, container: str, path: str) -> dict[str, ArchivedFile] | None:
            self.reads_so_far += 1
            found = await super().read_archive(container, path)
            return {name: ArchivedFile(b"") for name in found or {}} if self.reads_so_far == 1 else found

    found = asyncio.run(file_copies.read(cast("Engine", Busy(disk)), "shop"))
    assert (found.damaged, set(found.files)) == (frozenset(), {"shop/r1.json"})
