"""Layers of dropped images in the build cache of a real engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.e2e.building.support import built, docker

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.image.building.dropped import look_first, remove_dropped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Project

pytestmark = pytest.mark.engine

KEPT = 2
BUILDS = 8
DOCKERFILE = """\
FROM ftl-lab-busybox AS other
COPY data /data
RUN wc -c /data > /length
FROM ftl-lab-busybox
COPY --from=other /length /length
COPY data /data
"""

MOUNTING = """\
FROM ftl-lab-busybox
RUN --mount=type=cache,id={name},target=/cache,sharing=locked \\
    for number in $(seq {files}); do echo > "/cache/$number"; done
"""


def test_the_cache_keeps_no_layer_of_an_image_that_was_dropped(
    project: Callable[..., Project], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what no image ever had stays: the steps of another stage."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = project({"Dockerfile": DOCKERFILE, ".dockerignore": "*\n!data\n"})

    async def drop(number: int) -> None:
        async with Engine(local_url(), name="this machine") as engine:
            await look_first(engine, name)
            if number > KEPT:
                docker("rmi", f"{name}-web:r{number - KEPT}")
            await remove_dropped(engine, name, keep=KEPT)

    size = 1_000_000 + os.getpid() % 100_000  # by which the records are known
    for number in range(1, BUILDS + 1):
        (made.folder / "data").write_bytes(os.urandom(size))
        built(made, env={"XDG_STATE_HOME": str(tmp_path / "state")})
        docker("tag", f"{name}-web", f"{name}-web:r{number}")
        asyncio.run(drop(number))
    shared = asyncio.run(records(size))
    assert shared.count(True) == KEPT
    # Those of the other stage, and at most those of images that were dropped since the last look.
    assert BUILDS <= shared.count(False) <= BUILDS + KEPT


def test_two_looks_at_once_leave_the_cache_mounts_to_the_next_build(
    project: Callable[..., Project], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker before 23 refused the second one and kept its cache mounts: all later builds with them waited for ever."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = project({"Dockerfile": MOUNTING.format(name=name, files=60_000)})
    built(made)

    async def look() -> None:
        async with Engine(local_url(), name="this machine") as engine:
            await engine.build_cache(seconds=60)

    async def look_four_times() -> None:
        await asyncio.gather(*(look() for _ in range(4)))

    asyncio.run(look_four_times())
    made.write({"Dockerfile": MOUNTING.format(name=name, files=1)})
    made.run(
        "--json", "build", timeout=60
    ).ok()  # what waits for such a mount reacts to no signal but SIGKILL


async def records(size: int) -> list[bool]:
    """Whether each record of this size is a layer of an image."""
    connector = aiohttp.UnixConnector(local_url().removeprefix("unix://"))
    async with aiohttp.ClientSession(connector=connector) as session:
        while True:
            async with session.get("http://docker/system/df") as response:
                answer = await response.json()
            if response.status == 200:
                break
            await asyncio.sleep(0.5)  # the engine answers one at a time, and another test may ask
    cache: list[dict[str, Any]] = answer["BuildCache"] or []
    return [one["Shared"] for one in cache if one["Type"] == "regular" and one["Size"] == size]
