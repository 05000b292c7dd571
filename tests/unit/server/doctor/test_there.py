"""What doctor makes of a server: its own words, its engine, its ports."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.engine import Container, EngineInfo, Published, labels
from ftl.errors import ServerError
from ftl.server.doctor import reach, there
from ftl.server.doctor.reach import Knock
from ftl.server.doctor.survey import Listener, Room, Survey, listener, read
from ftl.server.doctor.visit import Docker

GB = 1000**3

OUTPUT = """\
Last login: never
time\t1000
user\tdeploy
system\tDebian GNU/Linux 12 (bookworm)
memory\tMemTotal:        4015976 kB
memory\tMemAvailable:    1003994 kB
memory\tSwapTotal:             0 kB
disk\t/dev/vda1 40000000 30000000 8000000 79% /
inodes\t/dev/vda1 2500000 100000 2400000 4% /
zstd\t/usr/bin/zstd
connection\t198.51.100.7 51234 203.0.113.5 22
address\t2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0
address\t2: eth0    inet6 2001:db8::5/64 scope global
address\t3: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0
address\t7: br-0123456789ab    inet 172.18.0.1/16 scope global br-0123456789ab
listener\t   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
listener\t   1: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0
listener\t   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 3
listener\tnonsense
program\tnginx
"""

SURVEY = read(OUTPUT, asked=1000.2, answered=1000.4)


def test_the_server_s_own_words() -> None:
    """The script's lines become values; chatter of login scripts and what is broken is passed over."""
    expected = Survey(
        user="deploy",
        system="Debian GNU/Linux 12 (bookworm)",
        skew=0.0,
        memory={"MemTotal": 4015976 * 1024, "MemAvailable": 1003994 * 1024, "SwapTotal": 0},
        disk=Room(38_000_000 * 1024, 8_000_000 * 1024),
        inodes=Room(2_500_000, 2_400_000),
        has_zstd=True,
        addresses=("203.0.113.5", "10.0.0.2", "2001:db8::5"),
        listeners=(Listener("0.0.0.0", 5432), Listener("127.0.0.1", 3306), Listener("::", 22)),
        programs=("nginx",),
    )
    assert expected == SURVEY


@given(st.text())
def test_any_words_are_read(output: str) -> None:
    """Whatever a server prints, reading it does not fail."""
    read(output, asked=1.0, answered=2.0)
    listener(output)


@pytest.mark.parametrize(
    ("clock", "asked", "answered", "skew"),
    [
        (1000, 1000.9, 1000.95, 0.0),
        (1000, 999.0, 1001.0, 0.0),
        (1000, 1060.5, 1061.0, -59.5),
        (1000, 700.0, 701.0, 299.0),
    ],
)
def test_clocks(clock: int, asked: float, answered: float, skew: float) -> None:
    """A clock is off as far as neither its whole seconds nor the way of the answer explain it."""
    assert read(f"time\t{clock}\n", asked=asked, answered=answered).skew == pytest.approx(skew)


@pytest.mark.parametrize(("skew", "level"), [(0, "ok"), (-9, "ok"), (60, "warning"), (-3600, "problem")])
def test_a_clock_that_is_off(skew: float, level: str) -> None:
    """Some seconds are nothing; minutes make certificates and tokens invalid."""
    assert there.judge_clock(skew).level == level


@pytest.mark.parametrize(
    ("disk", "inodes", "level"),
    [
        (Room(40 * GB, 20 * GB), Room(1000, 900), "ok"),
        (Room(40 * GB, 4 * GB), Room(1000, 900), "warning"),
        (Room(40 * GB, GB // 2), None, "problem"),
        (Room(40 * GB, 20 * GB), Room(1000, 3), "problem"),
        (Room(40 * GB, 20 * GB), Room(0, 0), "ok"),
    ],
)
def test_the_disk(disk: Room, inodes: Room | None, level: str) -> None:
    """Docker's disk needs bytes for an image, and inodes for its files (btrfs has no count of them)."""
    (found,) = there.judge_disk(disk, inodes, "/var/lib/docker")
    assert found.level == level
    assert (found.fix is None) == (level == "ok")


@pytest.mark.parametrize(
    ("total", "available", "swap", "level"),
    [(4, 2, 0, "ok"), (0.5, 0.05, 0, "warning"), (0.5, 0.05, 1, "ok")],
)
def test_memory(total: float, available: float, swap: float, level: str) -> None:
    """Two releases side by side need room; swap is room."""
    memory = {"MemTotal": int(total * GB), "MemAvailable": int(available * GB), "SwapTotal": int(swap * GB)}
    assert [one.level for one in there.judge_memory(memory)] == [level]


def test_an_engine() -> None:
    """An engine that answers is named, and how images get there; an old one is a warning."""
    info = EngineInfo("20.10.24", "1.41", "linux/amd64", "overlay2", "/var/lib/docker")
    found = there.judge_docker(Docker(info), SURVEY)
    assert [(one.name, one.level) for one in found] == [
        ("docker group", "ok"),
        ("engine", "ok"),
        ("zstd", "ok"),
    ]
    assert "gzip" in found[-1].what
    assert [one.level for one in there.judge_engine(replace(info, version="19.03.5"), "me")] == [
        "ok",
        "warning",
    ]
    assert "as zstd" in there.judge_zstd(replace(info, version="26.1.5"), has_program=True).what


def test_an_engine_that_refuses() -> None:
    """What ssh or the engine said against us is told with its own remedy."""
    error = ServerError(
        "me may not use Docker", cause="permission denied", hint="`sudo usermod -aG docker me`"
    )
    (found,) = there.judge_docker(Docker(refusal=error), SURVEY)
    assert (found.level, found.fix) == ("problem", "`sudo usermod -aG docker me`")
    assert found.what == "me may not use Docker: permission denied"


def container(name: str, *published: Published, role: str | None = None) -> Container:
    """A container that runs, of ours if it has a role."""
    marks = {labels.ROLE: role} if role else {}
    return Container(name[0] * 12, name, f"{name}:1", "sha256:0", marks, "running", "Up", 0, (), published)


def published(host_port: int, address: str = "0.0.0.0", inside: int = 0, protocol: str = "tcp") -> Published:
    """A port that the server listens on for a container."""
    return Published(inside or host_port, protocol, address, host_port)


PROXY = container("ftl-proxy", published(80), published(443), role=labels.ROLE_PROXY)
DATABASE = container("db", published(15432, inside=5432))
FORWARDED = container("shop-mail-r1", published(2525), role=labels.ROLE_SERVICE)
INNER = container("cache", published(6379, "127.0.0.1"))


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
    listeners = tuple(Listener("0.0.0.0", port) for port in listening)
    found = there.judge_port(80, replace(SURVEY, listeners=listeners, programs=programs), containers)
    assert found.level == level
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


def test_which_ports_are_worth_a_try() -> None:
    """What is bound to loopback or to an inner address cannot be reached, and is not tried."""
    listeners = [
        Listener("127.0.0.1", 1),
        Listener("::1", 2),
        Listener("172.17.0.1", 3),
        Listener("::", 22),
        Listener("203.0.113.5", 25),
    ]
    assert reach.candidates(listeners, [DATABASE, INNER], "203.0.113.5") == [22, 25, 15432]


def test_what_answers_and_should_not() -> None:
    """Each open port that nobody asked for is a warning that names who publishes it; forwards are meant."""
    ports = (22, 80, 443, 2525, 5432, 9000, 15432)
    found = reach.judge(
        [Knock(port, "open") for port in ports], (PROXY, DATABASE, FORWARDED), ssh=22, forwards={9000}
    )
    assert [(one.name, one.level) for one in found] == [("port 5432", "warning"), ("port 15432", "warning")]
    assert "PostgreSQL" in found[0].what
    assert "ufw deny 5432/tcp" in (found[0].fix or "")
    assert "the container db (db:1)" in found[1].what
    assert "-p 127.0.0.1:15432:5432" in (found[1].fix or "")


def test_what_should_answer_and_does_not() -> None:
    """The proxy's ports that a firewall hides are a warning; nothing is said of them where there is no proxy."""
    knocks = [Knock(22, "open"), Knock(80, "silent"), Knock(443, "open")]
    found = reach.judge(knocks, (PROXY,), ssh=22, forwards=())
    assert [(one.name, one.level) for one in found] == [
        ("from outside", "ok"),
        ("port 80 outside", "warning"),
    ]
    assert [one.level for one in reach.judge(knocks, (), ssh=22, forwards=())] == ["ok"]
