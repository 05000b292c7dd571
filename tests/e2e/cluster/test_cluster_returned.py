"""A server that was away during deploys: 503 at first, then the live release by itself."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.authority import self_signed
from tests.e2e.support.lock import Deployers
from tests.e2e.support.three_servers import project_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lab.servers import Server
    from tests.e2e.support.three_servers import ThreeServerProject
    from tests.harness import Project

pytestmark = [pytest.mark.engine, pytest.mark.server, pytest.mark.nightly]


def test_a_returned_server_catches_up_by_itself(cluster: ThreeServerProject) -> None:
    """Its own cron brings routes and live files up to date; until then it never answers with an old release."""
    cluster.deploy("one").ok()
    away = cluster.servers[2]
    assert [line for line in _crontab(away) if line.endswith(f"# ftl-follow {cluster.name}")]
    _refused_while_only_we_are_cut_off(cluster, away)
    asyncio.run(_refused_while_another_has_one_lock(cluster, away))
    away.kill()
    web = cluster.config["services"][0]
    web.update(port=8001, command=["httpd", "-f", "-p", "8001", "-h", "/www"])
    cluster.config["proxy"]["redirects"] = {"www.example.com": cluster.domain}
    cluster.deploy("two").ok()
    cluster.deploy("three").ok()
    away.start()
    away.run("sh", "-c", "pgrep -x cron || cron")
    answers: list[tuple[int, str]] = []
    deadline = time.monotonic() + 150
    while (200, "three") not in answers:
        assert time.monotonic() < deadline, (set(answers), _crontab(away))
        with suppress(OSError, http.client.HTTPException):
            answers.append(cluster.get(away))
        time.sleep(0.2)
    assert {answer for answer in answers if answer[0] == 200} == {(200, "three")}
    connection = http.client.HTTPConnection("127.0.0.1", away.http_port, timeout=20)
    connection.request("GET", "/", headers={"Host": "www.example.com"})
    assert connection.getresponse().status == 308
    planned = cluster.project.run("plan", "--json").ok()
    assert [step for step in planned.result["steps"] if step["step"] in ("apply_site", "point_again")] == []
    away.run("mv", "/usr/bin/flock", "/usr/bin/flock.gone")
    assert f"cannot take the deploy lock on {away.address}" in cluster.deploy("four").ok().stdout
    away.run("mv", "/usr/bin/flock.gone", "/usr/bin/flock")
    records = away.run("docker", "cp", f"ftl-state:/ftl/{cluster.name}", "-").stdout
    assert [name for name in (b"r2.json", b"r3.json", b"r4.json") if name not in records] == []


def test_a_returned_server_never_answers_by_the_routes_of_before(cluster: ThreeServerProject) -> None:
    """Nothing but routes has changed meanwhile; its proxy starts with the old ones, which lead nowhere then."""
    old = f"old.{cluster.domain}"
    cluster.config["project"]["domain"] = old
    cluster.deploy("one").ok()
    away = cluster.servers[2]
    assert cluster.get(away, old) == (200, "one")
    away.kill()
    cluster.config["project"]["domain"] = cluster.domain
    cluster.deploy("one").ok()
    assert [cluster.get(server) for server in cluster.servers[:2]] == [(200, "one")] * 2
    away.start()
    answers: set[int] = set()
    began, cron = time.monotonic(), False
    found: tuple[int, str] | None = None
    while found != (200, "one"):
        assert time.monotonic() < began + 150, (answers, found, _crontab(away))
        with suppress(OSError, http.client.HTTPException):
            answers.add(cluster.get(away, old)[0])
            found = cluster.get(away)
        if not cron and time.monotonic() > began + 15:  # what it answers before anybody brings routes
            away.run("sh", "-c", "pgrep -x cron || cron")
            cron = True
        time.sleep(0.2)
    assert 503 in answers
    assert 200 not in answers


@pytest.mark.timeout(600)
def test_a_returned_server_follows_all_projects_that_share_its_proxy(
    cluster: ThreeServerProject, ftl: Callable[..., Project]
) -> None:
    """The routes of both have changed meanwhile, of one twice; and that one has another certificate of its own."""
    both = (cluster, project_beside(cluster, ftl))
    chains = {host: self_signed(host) for host in (f"old.{cluster.domain}", cluster.domain)}
    for host, (chain, key) in chains.items():
        cluster.project.write({f"{host}.pem": chain, f"{host}.key": key})
    own = {host: {"tls": "internal", "certificate": f"{host}.pem", "key": f"{host}.key"} for host in chains}
    for one in both:
        one.config["project"]["domain"] = f"old.{one.domain}"
    cluster.config["proxy"] = own[f"old.{cluster.domain}"]
    for one in both:
        one.deploy("one").ok()
    away = cluster.servers[2]
    assert [one.get(away, f"old.{one.domain}") for one in both] == [(200, "one")] * 2
    away.kill()
    for one in both:
        one.config["project"]["domain"] = one.domain
    cluster.config["proxy"] = own[cluster.domain]
    for one in both:
        one.deploy("one").ok()
    cluster.config["proxy"]["redirects"] = {f"www.{cluster.domain}": cluster.domain}
    chain, key = self_signed(cluster.domain, f"www.{cluster.domain}")
    cluster.project.write({f"{cluster.domain}.pem": chain, f"{cluster.domain}.key": key})
    cluster.deploy("one").ok()
    away.start()
    away.run("sh", "-c", "pgrep -x cron || cron")
    old: set[int] = set()
    new = [(0, "")] * 2
    deadline = time.monotonic() + 240
    while new != [(200, "one")] * 2:
        assert time.monotonic() < deadline, (old, new, _log(away, both))
        with suppress(OSError, http.client.HTTPException):
            old |= {one.get(away, f"old.{one.domain}")[0] for one in both}
            new = [one.get(away) for one in both]
        time.sleep(0.2)
    assert 200 not in old
    assert _certificate(away, cluster.domain) == ssl.PEM_cert_to_DER_cert(chain.decode())
    for one in both:
        planned = one.project.run("plan", "--json").ok().result["steps"]
        assert [step["step"] for step in planned if step["step"] in ("apply_site", "point_again")] == []


@pytest.mark.timeout(600)
def test_a_server_that_was_cut_off_follows_as_soon_as_the_managers_reach_it(
    cluster: ThreeServerProject,
) -> None:
    """From the others and from us: it goes on with what it has, since nobody can tell it anything."""
    cluster.deploy("one").ok()
    away, others = cluster.servers[2], cluster.servers[:2]
    away.run("sh", "-c", "pgrep -x cron || cron")
    ssh = ("PREROUTING", "-p", "tcp", "--dport", "22", "-j", "DROP")
    away.run("iptables", "-t", "raw", "-I", *ssh)
    for other in others:
        away.cut_from(other)
        other.cut_from(away)
    cluster.deploy("two").ok()
    assert [cluster.get(server) for server in cluster.servers] == [(200, "two"), (200, "two"), (200, "one")]
    for other in others:
        away.mend_to(other)
        other.mend_to(away)
    away.run("iptables", "-t", "raw", "-D", *ssh)
    deadline = time.monotonic() + 180
    while away.run("docker", "node", "inspect", "self", check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    _until(cluster, away, 40)
    answers = []
    deadline = time.monotonic() + 8
    while (
        time.monotonic() < deadline
    ):  # packets to some of the others may need a moment longer than their names
        with suppress(OSError, http.client.HTTPException):
            answers.append(cluster.get(away))
        time.sleep(0.2)
    assert (200, "one") not in answers
    _until(cluster, away, 15)


def _until(cluster: ThreeServerProject, server: Server, seconds: float) -> None:
    """Wait until a server answers with the second release."""
    deadline = time.monotonic() + seconds
    answer: object = None
    while answer != (200, "two"):
        assert time.monotonic() < deadline, (answer, _log(server, [cluster]))
        time.sleep(0.2)
        with suppress(OSError, http.client.HTTPException):
            answer = cluster.get(server)


def _certificate(server: Server, host: str) -> bytes | None:
    """The certificate that a proxy presents."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", server.https_port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True)


def _log(server: Server, projects: Iterable[ThreeServerProject]) -> list[str]:
    """What went wrong on a server that follows."""
    logs = [f"/home/{server.user}/.ftl/follow.{one.name}.log" for one in projects]
    return server.run("tail", "-n", "5", *logs).stdout.decode().splitlines()


def _refused_while_only_we_are_cut_off(cluster: ThreeServerProject, away: Server) -> None:
    """The others reach it, and it would go on with the release before. Who only looks does not wait for ssh."""
    rule = ("PREROUTING", "-p", "tcp", "--dport", "22", "-j", "DROP")
    away.run("iptables", "-t", "raw", "-I", *rule)
    began = time.monotonic()
    states = [each["state"] for each in cluster.project.run("status", "--json").ok().result["servers"]]
    assert (states, time.monotonic() - began < 10) == (["ready", "ready", "down"], True)
    refused = cluster.deploy("two")
    assert f"{away.address} cannot be reached from here, and is not down" in refused.stdout
    assert refused.exit_code != 0
    away.run("iptables", "-t", "raw", "-D", *rule)
    assert [cluster.get(server) for server in cluster.servers] == [(200, "one")] * 3


async def _refused_while_another_has_one_lock(cluster: ThreeServerProject, server: Server) -> None:
    """Who reaches only that server, say. Nothing stays locked on the others."""
    async with Deployers(server, cluster.name) as others:
        await others.take(await others.lock(server.user), "ann@a")
        refused = await asyncio.to_thread(cluster.deploy, "two")
        assert f"{cluster.name} on {server.address} has been locked by ann@a" in refused.stdout
        assert refused.exit_code == 4
    assert [cluster.get(server) for server in cluster.servers] == [(200, "one")] * 3


@pytest.mark.timeout(600)
def test_a_returned_server_does_not_start_the_jobs_that_another_one_has(cluster: ThreeServerProject) -> None:
    """It was the first of the file, and is not any more; as the first again it gets them back."""
    cluster.config["jobs"] = [{"name": "tick", "service": "web", "command": "date", "schedule": "* * * * *"}]
    cluster.deploy("one").ok()
    former, first, _ = cluster.servers
    former.kill()
    servers = cluster.config["servers"]
    servers[:2] = servers[1::-1]
    assert "set_jobless" in [event["step"] for event in cluster.deploy("two").ok().events("step_finished")]
    former.start()
    former.run("sh", "-c", "pgrep -x cron || cron")
    began = _started(former, cluster.name)
    assert [line for line in _crontab(former) if line.endswith(f"# ftl {cluster.name}")]
    deadline = time.monotonic() + 130
    while time.monotonic() < deadline:
        assert _started(former, cluster.name) == began
        time.sleep(2)
    assert _started(first, cluster.name) > began
    servers[:2] = servers[1::-1]
    assert "set_jobless" in [event["step"] for event in cluster.deploy("three").ok().events("step_finished")]
    now = _started(former, cluster.name)
    while _started(former, cluster.name) == now:
        assert time.monotonic() < deadline + 240
        time.sleep(2)


def test_a_removed_project_leaves_nothing_to_follow(cluster: ThreeServerProject) -> None:
    """Neither in the Swarm nor in a crontab."""
    cluster.deploy("one").ok()
    first = cluster.servers[0]
    assert (
        len(first.docker("config", "ls", "-q", "--filter", f"label=ftl.project={cluster.name}").split()) == 1
    )
    cluster.project.run("remove", "--yes").ok()
    assert first.docker("config", "ls", "-q") == ""
    for server in cluster.servers:
        assert not [line for line in _crontab(server) if cluster.name in line]


def test_what_was_published_and_is_gone_is_published_again(cluster: ThreeServerProject) -> None:
    """By a deploy that changes nothing else; the one after it has nothing to do."""
    cluster.deploy("one").ok()
    first = cluster.servers[0]
    first.docker("config", "rm", *first.docker("config", "ls", "-q").split())
    mended = cluster.deploy("one").ok()
    assert [event["step"] for event in mended.events("step_finished")] == ["publish_live"]
    assert len(first.docker("config", "ls", "-q").split()) == 1
    assert cluster.deploy("one").ok().events("step_finished") == []


def test_back_on_one_server_nothing_is_followed(cluster: ThreeServerProject) -> None:
    """The cron of that server would bring the proxy back to what was live in the cluster."""
    cluster.deploy("one").ok()
    first = cluster.servers[0]
    cluster.config["server"] = cluster.config.pop("servers")[0]
    cluster.deploy("two").ok()
    assert (first.docker("config", "ls", "-q"), first.docker("service", "ls", "-q")) == ("", "")
    assert [line for line in _crontab(first) if "ftl-follow" in line] == []
    assert cluster.get(first) == (200, "two")
    assert cluster.deploy("two").ok().events("step_finished") == []


def _started(server: Server, project: str) -> str:
    """When the job `tick` was started last."""
    return server.docker("inspect", "--format", "{{.State.StartedAt}}", f"{project}.job.tick").strip()


def _crontab(server: Server) -> list[str]:
    return server.run("crontab", "-u", "ftl", "-l").stdout.decode().splitlines()
