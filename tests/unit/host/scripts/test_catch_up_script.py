"""The lines by which cron has a server follow what is live in its cluster, and their bounds."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.engine.tarball import tar_archive
from ftl.host import crontab
from ftl.proxy.commands import adoption
from tests.support.fake_machine import FakeMachine
from tests.unit.host.scripts.programs import put_programs

if TYPE_CHECKING:
    from pathlib import Path

CRONTAB = """#!/bin/sh
[ "$1" = -l ] || exec cat >"$HOME/crontab"
cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for ftl"; exit 1; }
"""

DOCKER = """#!/bin/sh
[ ! -e "$HOME/hangs" ] || sleep 60
case "$*" in
*"node inspect"*) echo a ;;
*"config ls"*role=live*) echo id ;;
*"config inspect"*) printf '"%s"' "$(cat "$HOME/live")" ;;
*inspect*) echo "true proxy" ;;
*exec*) echo "the proxy is ill" >&2; exit 2 ;;
esac
"""


ISSUER = """#!/bin/sh
shift 2
echo "$*" >>"$HOME/log"
case "$*" in
*"node ls"*) printf 'n1\\nn2\\n' ;;
*"node inspect"*n1) echo b ;;
*"node inspect"*) echo ;;
*"config ls"*) echo id ;;
*"config inspect"*content*) echo digest ;;
*"config inspect"*Name*) echo ftl-certificates-1 ;;
*"config inspect"*) printf '"%s"' "$(cat "$HOME/live")" ;;
*"service ls"*"label=ftl.node=n1"*) cat "$HOME/brought" 2>/dev/null ;;
*"service create"*) echo s1 >"$HOME/brought" ;;
*inspect*Config.Image*) echo caddy:2 ;;
*inspect*) echo "true proxy" ;;
*exec*) echo digest ;;
esac
"""
"""Docker of a manager whose proxy has certificates that the Swarm has; workers are n1, with a proxy, and n2."""


SWARM = """#!/bin/sh
shift 2
case "$*" in
*"config ls"*role=live*) echo live ;;
*"config ls"*ftl.content=*) ls "$HOME/../swarm" | grep "^new" ;;
*"config ls"*) ls "$HOME/../swarm" | grep -v "^service" ;;
*"config create"*)
    while [ "$2" != - ]; do shift; done
    sleep 0.5
    mkdir "$HOME/../swarm/new-$1" 2>/dev/null || { echo "name conflicts" >&2; exit 1; }
    ;;
*"config rm used"*) exit 1 ;;
*"config rm "*) rmdir "$HOME/../swarm/${3}" ;;
*"config inspect"*content*) echo digest ;;
*"config inspect"*Name*) echo ftl-certificates-1 ;;
*"config inspect"*) printf '"%s"' "$(cat "$HOME/live")" ;;
*"node ls"*) echo n1 ;;
*"node inspect"*) echo b ;;
*"service ls"*) ls "$HOME/../swarm" | grep "^service" ;;
*"service create"*)
    while [ "$1" != --name ]; do shift; done
    sleep 0.5
    mkdir "$HOME/../swarm/service-$2" 2>/dev/null || { echo "name conflicts" >&2; exit 1; }
    ;;
*inspect*Config.Image*) echo caddy:2 ;;
*inspect*) echo "true proxy" ;;
*exec*) cat >/dev/null; echo digest ;;
esac
"""
"""Docker of a manager whose proxy has certificates; configs and services are folders beside the accounts'."""


BESIDE = """#!/bin/sh
shift 2
case "$*" in
*" ftl compare shop "*) cat >/dev/null; echo base; exit 1 ;;
exec*) cat >/dev/null; shift $(($# - 2)); printf '%s\\n' "$@" >"$HOME/told" ;;
*"config ls"*project=shop*role=live*) echo shop ;;
*"config ls"*project=blog*role=live*) echo blog ;;
*"config ls"*project=wiki*role=live*) printf 'wiki1\\nwiki2\\n' ;;
*"config ls"*project=far*role=live*) echo far ;;
*"config ls -q --filter label=ftl.role=live") printf 'shop\\nblog\\nwiki1\\nwiki2\\nfar\\n' ;;
*"config inspect"*project*) for last; do :; done; echo "${last%[12]}" ;;
*"config inspect"*) printf '"%s"' "$(cat "$HOME/live")" ;;
*"node inspect"*ftl.host.far*) echo ;;
*"node inspect"*) echo c ;;
*inspect*) echo "true proxy" ;;
esac
"""
"""Docker of a server whose proxy is behind; the wiki is in a deploy, and another project is on other servers."""


class Server:
    """A folder that stands for a server's account."""

    def __init__(self, home: Path) -> None:
        self.home = home
        put_programs(home / "bin", {"crontab": CRONTAB, "docker": DOCKER})
        packed = gzip.compress(tar_archive({"issuer": b"a\n"}, mode=0o600))
        (home / "live").write_text(base64.b64encode(packed).decode())
        self.env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "USER": "ftl"}
        self.log = home / ".ftl/follow.shop.log"

    def write(self, *places: str) -> list[str]:
        """Write the lines of a project; without places they go. Returns the crontab."""
        machine = FakeMachine()
        script = crontab.catch_up_script(adoption())
        asyncio.run(crontab.write_catch_up(machine, "shop", script, places))
        subprocess.run(
            machine.commands[0], input=machine.inputs[0], env=self.env, capture_output=True, check=False
        )
        return (self.home / "crontab").read_text().splitlines()

    def wake(self, line: str) -> int:
        """What cron does at the time of a line."""
        command = line.removeprefix("@reboot ").removeprefix("* * * * * ")
        return subprocess.run(["sh", "-c", command], env=self.env, check=False).returncode


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server without a crontab."""
    return Server(tmp_path)


def test_the_lines_have_a_time_limit_and_a_log(server: Server) -> None:
    """Without places they go, and the log with them; others' lines stay."""
    (server.home / "crontab").write_text("5 4 * * * backup\n")
    own, each, boot = server.write("ftl-proxy", "127.0.0.1:2019")
    assert own == "5 4 * * * backup"
    rest = (
        'timeout -k 10 300 sh "$HOME/.ftl/follow.sh" "/var/run/docker.sock" shop ftl-proxy 127.0.0.1:2019'
        '{} >/dev/null 2>>"$HOME/.ftl/follow.shop.log" # ftl-follow shop'
    )
    assert each == f"* * * * * {rest.format('')}"
    assert boot == f"@reboot {rest.format(' boot')}"
    server.wake(each)
    assert server.log.exists()
    assert server.write() == ["5 4 * * * backup"]
    assert not server.log.exists()


def test_what_goes_wrong_is_in_the_log_with_its_time(server: Server) -> None:
    """The log keeps its end, and what is written to it meanwhile."""
    line = server.write("ftl-proxy", "127.0.0.1:2019")[0]
    assert server.wake(line) != 0
    complaint, ended = server.log.read_text().splitlines()[-2:]
    assert complaint == "the proxy is ill"
    assert ended.endswith("Z follow ended with status 2")
    server.log.write_text("old\n" * 20_000)
    server.wake(line)
    kept = server.log.read_text()
    assert 32_000 < len(kept) < 40_000
    assert kept.startswith(("old\n", "\nold", "ld\n", "d\n"))
    assert kept.splitlines()[-2] == "the proxy is ill"


def test_one_that_hangs_is_ended_and_gives_its_lock_back(server: Server) -> None:
    """Deploys wait for it."""
    line = server.write("ftl-proxy", "127.0.0.1:2019")[0].replace("timeout -k 10 300", "timeout -k 10 1")
    (server.home / "hangs").touch()
    assert server.wake(line) == 124
    assert server.log.read_text().splitlines()[-1].endswith("Z follow ended with status 143")
    lock = server.home / ".ftl/follow.shop.lock"
    assert subprocess.run(["flock", "-n", lock, "true"], check=False).returncode == 0


def test_a_worker_with_a_proxy_is_brought_certificates_by_one_task(server: Server) -> None:
    """It cannot read configs; another server of the Swarm, which is none of the project's, gets none."""
    (server.home / "bin/docker").write_text(ISSUER)
    packed = gzip.compress(tar_archive({"issuer": b"a\n", "b/site.json": b"{}"}, mode=0o600))
    (server.home / "live").write_text(base64.b64encode(packed).decode())
    script = crontab.catch_up_script(adoption())
    argv = ["sh", "-c", script, "ftl-follow", "/socket", "shop", "ftl-proxy", "127.0.0.1:2019", "give"]
    for _ in range(2):
        done = subprocess.run(argv, env=server.env, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    text = (server.home / "log").read_text()
    assert text.count("service create") == 1
    created = text[text.index("service create") :]
    for option in (
        "--mode replicated-job --constraint node.id==n1 ",
        "--config source=ftl-certificates-1,target=/ftl-certificates,mode=0400 ",
        "--mount type=volume,source=ftl-proxy-data,target=/data,",
        "--entrypoint sh caddy:2 -c ",
    ):
        assert option in created
    assert " ftl hand shop digest\n" in created


def test_a_proxy_is_told_what_is_live_of_the_other_projects_on_its_server(server: Server) -> None:
    """Not of one of which the Swarm says two things, nor of one that is not there."""
    (server.home / "bin/docker").write_text(BESIDE)
    packed = gzip.compress(tar_archive({"issuer": b"a\n", "c/site.json": b"site"}, mode=0o600))
    (server.home / "live").write_text(base64.b64encode(packed).decode())
    assert server.wake(server.write("ftl-proxy", "127.0.0.1:2019")[0]) == 0
    others, base = (server.home / "told").read_text().splitlines()
    assert others.split() == [f"blog={hashlib.sha256(b'site').hexdigest()}"]
    assert base == "base", "of the configuration as it was before that was read"


def test_a_server_that_was_cut_off_follows_as_soon_as_it_hears_of_a_leader(server: Server) -> None:
    """Until then it may answer with a release of before. Deploys to it do not wait."""
    leaderless = 'cat "$HOME/leader" ;;\n*info*) echo "active true" ;;'
    (server.home / "bin/docker").write_text(DOCKER.replace("echo a ;;", leaderless, 1))
    line = server.write("ftl-proxy", "127.0.0.1:2019")[0].removeprefix("* * * * * ")
    with subprocess.Popen(["sh", "-c", line], env=server.env) as cron:
        try:
            lock = server.home / ".ftl/follow.shop.lock"
            time.sleep(1)
            assert cron.poll() is None
            subprocess.run(["flock", "-w", "5", lock, "true"], check=True)
            (server.home / "leader").write_text("a\n")
            assert cron.wait(20) == 2, "the proxy is ill"
        finally:
            cron.kill()


class Issuer:
    """A server with the accounts of two users who deploy, whose proxy gets the certificates."""

    def __init__(self, folder: Path, *configs: str) -> None:
        self.swarm = folder / "swarm"
        self.swarm.mkdir()
        for config in configs:
            (self.swarm / config).mkdir()
        self.homes = [folder / "ann", folder / "ben"]
        packed = gzip.compress(tar_archive({"issuer": b"b\n", "b/site.json": b"{}"}, mode=0o600))
        for home in self.homes:
            home.mkdir()
            put_programs(home / "bin", {"docker": SWARM})
            (home / "live").write_text(base64.b64encode(packed).decode())

    def give(self, *homes: Path) -> list[str]:
        """Let accounts give certificates at once; the Swarm's configs and services then."""
        script = crontab.catch_up_script(adoption())
        argv = ["sh", "-c", script, "ftl-follow", "/socket", "shop", "ftl-proxy", "127.0.0.1:2019", "give"]
        running = [
            subprocess.Popen(argv, env={"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"})
            for home in homes
        ]
        assert [one.wait(30) for one in running] == [0] * len(homes)
        return sorted(path.name for path in self.swarm.iterdir())


def test_two_users_crontabs_share_certificates_once(tmp_path: Path) -> None:
    """Both begin in the same second, with a lock each: of two configs nobody would take any."""
    issuer = Issuer(tmp_path, "old")
    config, task = issuer.give(*issuer.homes)
    assert config.startswith("new-ftl-certificates-")
    assert task.startswith("service-ftl-certificates-")
    assert len(task.removeprefix("service-").removesuffix("n1")) + 25 <= 63, "Swarm's limit of a name"


@pytest.mark.parametrize("configs", [("new1", "new2"), ("new1", "new2", "old")])
def test_of_two_with_the_same_certificates_one_stays(tmp_path: Path, configs: tuple[str, ...]) -> None:
    """As an earlier FTL has left them: nothing was shared any more."""
    issuer = Issuer(tmp_path, *configs)
    assert [name for name in issuer.give(issuer.homes[0]) if not name.startswith("service")] == ["new1"]


def test_the_one_that_a_service_has_stays(tmp_path: Path) -> None:
    """The Swarm refuses to remove it."""
    issuer = Issuer(tmp_path, "new1", "new2")
    docker = issuer.homes[0] / "bin/docker"
    docker.write_text(SWARM.replace('"config rm used"*', '"config rm new2"'))
    assert issuer.give(issuer.homes[0])[0] == "new2"


def test_a_deploy_learns_that_a_crontab_has_what_it_needs(server: Server) -> None:
    """Whatever was changed meanwhile, or without cron, it is written again."""
    places = ("ftl-proxy", "127.0.0.1:2019")
    script = crontab.catch_up_script(adoption())
    expected = crontab.catch_up_state(FakeMachine(), "shop", script, places)

    def state() -> str:
        argv = crontab.await_catch_up("shop")
        return subprocess.run(argv, env=server.env, capture_output=True, check=True).stdout.decode().strip()

    shutil.copy(shutil.which("sleep") or "sleep", server.home / "cron")
    with subprocess.Popen([server.home / "cron", "60"]) as cron:
        try:
            assert state() == ""
            server.write(*places)
            assert state() == expected
            assert crontab.catch_up_state(FakeMachine(), "shop", f"{script}\n", places) != expected
            (server.home / "crontab").write_text("")
            assert state() != expected
            server.write(*places)
            (server.home / ".ftl/follow.sh").write_text("of another FTL")
            assert state() != expected
            server.write()
            assert state() == ""
        finally:
            cron.kill()
