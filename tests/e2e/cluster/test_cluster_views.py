"""Three servers: a live table, logs without secrets, images from another server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support.three_servers import ThreeServerProject

pytestmark = [pytest.mark.engine, pytest.mark.server, pytest.mark.nightly]

Look = dict[str, Any]
SECRET = "hunter2-and-more"


def test_a_live_table_goes_on_when_a_server_is_lost(cluster: ThreeServerProject) -> None:
    """It shows what all servers use, says which one is down, and has it again when it is back."""
    cluster.deploy("one").ok()
    last = cluster.servers[2]
    host = last.address  # it has none while it is down

    def state(look: Look) -> str:
        return str(next(one["state"] for one in look["servers"] if one["host"] == host))

    def has_requests(look: Look) -> bool:
        """Whether the proxies have seen the requests that came after the look before."""
        assert [cluster.get(server) for server in cluster.servers] == [(200, "one")] * 3
        return _unit(look)["requests"] is not None

    with cluster.project.start("status", "--watch", "--json") as process:
        assert process.stdout is not None
        looks = (json.loads(line) for line in process.stdout)
        seen = _until(looks, lambda look: _unit(look)["cpu"] is not None)
        assert [one["state"] for one in seen["servers"]] == ["ready"] * 3
        assert (_unit(seen)["running"], _unit(seen)["memory"] > 0) == (3, True)
        assert set(_unit(seen)["server"].split(", ")) == {server.address for server in cluster.servers}
        asked = _until(looks, has_requests)
        assert _unit(asked)["requests"]["errors"] == 0
        assert round(_unit(asked)["requests"]["rate"] * 10) >= 3

        last.kill()
        killed = time.monotonic()
        _until(looks, lambda look: state(look) == "down")
        assert time.monotonic() - killed < 30
        # Swarm starts its replica elsewhere.
        _until(looks, lambda look: _unit(look)["running"] == 3 and host not in _unit(look)["server"])
        last.start()
        _until(looks, lambda look: state(look) == "ready")


def test_secrets_are_masked_in_the_logs_of_every_server(cluster: ThreeServerProject) -> None:
    """Also by a machine that has none of them, and of one server alone. What `exec` prints is never changed."""
    web = cluster.config["services"][0]
    web["command"] = ["sh", "-c", 'echo "token $TOKEN"; exec httpd -f -p 8000 -h /www']
    web["secrets"] = ["TOKEN"]
    cluster.config["secrets"] = {"TOKEN": {"file": "token"}}
    cluster.project.write({"token": SECRET})
    cluster.deploy("one").ok()
    cluster.project.write({"token": "something else"})
    for narrowed in ((), *(("--server", server.address) for server in cluster.servers)):
        shown = cluster.project.run("logs", "--json", *narrowed).ok()
        texts = [line["text"] for line in shown.lines if line["type"] == "log_line"]
        assert texts == ["token ********"] * (1 if narrowed else 3)
    with cluster.project.start("logs", "-f") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in cluster.servers]
    assert all("token ********" in line for line in lines)
    assert cluster.project.run("exec", "web", "--", "sh", "-c", "echo $TOKEN").ok().stdout == f"{SECRET}\n"
    unknown = cluster.project.run("logs", "-f", "--release", "r99", timeout=120)
    assert (unknown.exit_code, "there is no release `r99`" in unknown.stderr) == (2, True)


def test_a_rollback_brings_an_image_from_another_server(cluster: ThreeServerProject) -> None:
    """A server that joined since lacks the image of the release before; this machine may lack it, too."""
    cluster.deploy("one").ok()
    cluster.deploy("two").ok()
    last = cluster.servers[2]
    old = f"{cluster.name}-web:r1"
    last.docker("rmi", "--force", old)
    assert last.docker("images", "-q", old) == ""
    back = cluster.project.run("rollback", "--json").ok()
    assert [cluster.get(server) for server in cluster.servers] == [(200, "one")] * 3
    assert last.docker("ps", "-q", "--filter", "label=ftl.service=web") != ""
    assert back.result["release"] == "r3"


def _unit(look: Look) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in look["units"] if one["name"] == "web" and one["live"])
    return found


def _until(looks: Iterator[Look], is_so: Callable[[Look], bool]) -> Look:
    deadline = time.monotonic() + 240
    for look in looks:
        if look["type"] == "status" and is_so(look):
            return look
        assert time.monotonic() < deadline, look
    raise AssertionError("the command ended")
