"""What doctor makes of a server: its engine, its disk, memory and clock, the proxy's ports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.engine.values import EngineInfo
from ftl.errors import ServerError
from ftl.server.doctor.checks import server
from ftl.server.doctor.facts import FreeSpace, ListeningPort
from ftl.server.doctor.gather import EngineInspection
from tests.unit.server.doctor.world import PROXY, SURVEY, container, published

if TYPE_CHECKING:
    from ftl.engine.values import Container

GB = 1000**3


@pytest.mark.parametrize(("skew", "level"), [(0, "ok"), (-9, "ok"), (60, "warning"), (-3600, "problem")])
def test_a_clock_that_is_off(skew: float, level: str) -> None:
    """Some seconds are nothing; minutes make certificates and tokens invalid."""
    assert server.judge_clock(skew).level == level


@pytest.mark.parametrize(
    ("disk", "inodes", "level"),
    [
        (FreeSpace(40 * GB, 20 * GB), FreeSpace(1000, 900), "ok"),
        (FreeSpace(40 * GB, 4 * GB), FreeSpace(1000, 900), "warning"),
        (FreeSpace(40 * GB, GB // 2), None, "problem"),
        (FreeSpace(40 * GB, 20 * GB), FreeSpace(1000, 3), "problem"),
        (FreeSpace(40 * GB, 20 * GB), FreeSpace(0, 0), "ok"),
    ],
)
def test_the_disk(disk: FreeSpace, inodes: FreeSpace | None, level: str) -> None:
    """Docker's disk needs bytes for an image, and inodes for its files (btrfs has no count of them)."""
    (found,) = server.judge_disk(disk, inodes, "/var/lib/docker")
    assert found.level == level
    assert (found.fix is None) == (level == "ok")


@pytest.mark.parametrize(
    ("total", "available", "swap", "level"),
    [(4, 2, 0, "ok"), (0.5, 0.05, 0, "warning"), (0.5, 0.05, 1, "ok")],
)
def test_memory(total: float, available: float, swap: float, level: str) -> None:
    """Two releases side by side need room; swap is room."""
    memory = {"MemTotal": int(total * GB), "MemAvailable": int(available * GB), "SwapTotal": int(swap * GB)}
    assert [one.level for one in server.judge_memory(memory)] == [level]


def test_an_engine() -> None:
    """An engine that answers is named, and how images get there; an old one is a warning."""
    info = EngineInfo("20.10.24", "1.41", "linux/amd64", "overlay2", "/var/lib/docker")
    found = server.judge_docker(EngineInspection(info), SURVEY)
    assert [(one.name, one.level) for one in found] == [
        ("docker group", "ok"),
        ("engine", "ok"),
        ("zstd", "ok"),
    ]
    assert "differences" in found[-1].what
    assert [one.level for one in server.judge_engine(replace(info, version="19.03.5"), "me")] == [
        "ok",
        "warning",
    ]
    without = server.judge_zstd(info, has_program=False)
    assert (without.level, "as gzip" in without.what, "ftl setup" in (without.fix or "")) == (
        "warning",
        True,
        True,
    )
    assert "as zstd" in server.judge_zstd(replace(info, version="26.1.5"), has_program=False).what


def test_an_engine_that_refuses() -> None:
    """What ssh or the engine said against us is told with its own remedy."""
    error = ServerError(
        "me may not use Docker", cause="permission denied", hint="`sudo usermod -aG docker me`"
    )
    (found,) = server.judge_docker(EngineInspection(refusal=error), SURVEY)
    assert (found.level, found.fix) == ("problem", "`sudo usermod -aG docker me`")
    assert found.what == "me may not use Docker: permission denied"


@pytest.mark.parametrize(
    ("containers", "listening", "programs", "level", "fix"),
    [
        ((), (), (), "ok", None),
        ((PROXY,), (80,), (), "ok", None),
        ((container("web", published(80)),), (80,), (), "problem", "`docker stop web`"),
        ((), (80,), ("nginx",), "problem", "`sudo systemctl disable --now nginx`"),
        ((), (80,), ("nginx", "haproxy"), "problem", "`sudo ss -ltnp 'sport = :80'`"),
        ((container("dns", published(80, protocol="udp")),), (), (), "ok", None),
    ],
)
def test_the_proxy_s_ports(
    containers: tuple[Container, ...],
    listening: tuple[int, ...],
    programs: tuple[str, ...],
    level: str,
    fix: str | None,
) -> None:
    """Ports 80 and 443 are free, the proxy's, or somebody's who is named as far as that can be seen."""
    listeners = tuple(ListeningPort("0.0.0.0", port) for port in listening)
    found = server.judge_port(80, replace(SURVEY, listeners=listeners, programs=programs), containers)
    assert found.level == level
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))
