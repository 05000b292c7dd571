"""Checks that begin before the containers are listed: only what is still so counts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.clock import run
from tests.unit.deploy.world import project
from tests.unit.operations.views.status_stage import WEB, Server, failing

if TYPE_CHECKING:
    from pathlib import Path

SHOP = project(replace(WEB, replicas=1))


def test_the_second_status_inspects_a_container_before_the_list_has_come(tmp_path: Path) -> None:
    """Over a kept connection that saves two round trips; the first status knows of no container yet."""

    async def work() -> None:
        async with Server() as server:
            server.machine.kept_folder = tmp_path
            await server.web("shop-web-r1-1")
            await server.status(SHOP)
            server.engine.reads.clear()
            listing = server.engine.block("containers")
            status = asyncio.create_task(server.status(SHOP))
            await listing.reached.wait()
            number = server.engine.by_name["shop-web-r1-1"].id
            while f"container {number}" not in server.engine.reads:
                await asyncio.sleep(0.001)
            listing.open.set()
            assert (await status).units[0].health == "healthy"

    run(work())


def test_an_answer_of_an_address_that_is_now_of_another_container_does_not_count(tmp_path: Path) -> None:
    """The service was deployed since: its old container's healthy answer says nothing of the new one."""

    async def work() -> None:
        async with Server() as server:
            server.machine.kept_folder = tmp_path
            await server.web("shop-web-r1-1")
            await server.status(SHOP)
            await server.engine.remove("shop-web-r1-1", force=True)
            await server.web("shop-web-r2-1", "r2", answer=failing("500 Broken"))
            assert (await server.status(SHOP)).units[0].health == "500 Broken"

    run(work())


def test_a_container_that_moved_to_another_address_is_probed_there(tmp_path: Path) -> None:
    """The notes of the last status hold an old address, at which something else answers by now."""

    async def work() -> None:
        async with Server() as server:
            server.machine.kept_folder = tmp_path
            await server.web("shop-web-r1-1", answer=failing("503 Busy"))
            await server.status(SHOP)
            (notes,) = tmp_path.iterdir()
            ((number, role, service, running, _),) = json.loads(notes.read_text())
            await server.web("other", "r9")
            (other,) = server.engine.by_name["other"].endpoints.values()
            await server.engine.remove("other", force=True)
            notes.write_text(json.dumps([[number, role, service, running, other.address]]))
            assert (await server.status(SHOP)).units[0].health == "503 Busy"

    run(work())


def test_a_check_that_failed_early_is_made_again(tmp_path: Path) -> None:
    """The connection of an early check may break where that of a later one does not."""

    async def work() -> None:
        async with Server() as server:
            server.machine.kept_folder = tmp_path
            await server.web("shop-web-r1-1")
            await server.status(SHOP)
            listing = server.engine.block("containers")
            status = asyncio.create_task(server.status(SHOP))
            await listing.reached.wait()
            server.engine.fail("container", number=3)
            await asyncio.sleep(0.1)
            listing.open.set()
            assert (await status).units[0].health == "healthy"

    run(work())


@pytest.mark.parametrize("notes", ["", "[", "{}", "[1]", '[["x"]]', '[[1, "", "", true, ""]]'])
def test_notes_that_are_damaged_are_ignored(tmp_path: Path, notes: str) -> None:
    """They only say what may be worth asking early."""

    async def work() -> None:
        async with Server() as server:
            server.machine.kept_folder = tmp_path
            (tmp_path / "status-shop.json").write_text(notes)
            await server.web("shop-web-r1-1")
            assert (await server.status(SHOP)).units[0].health == "healthy"

    run(work())


def test_without_a_kept_connection_nothing_is_noted(tmp_path: Path) -> None:
    """In CI and on this machine nothing outlives the command."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            assert (await server.status(SHOP)).units[0].health == "healthy"
        assert not list(tmp_path.iterdir())

    run(work())
