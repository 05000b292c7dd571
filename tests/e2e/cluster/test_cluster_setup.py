"""`ftl setup` for several servers, on three engines of two ages."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.cluster import cluster_project, nodes, section, swarm_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.servers import Lab, Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.engine]


@pytest.fixture
def three(lab: Lab) -> Iterator[list[Server]]:
    """Three servers, on which there is no cluster yet."""
    servers = lab.cluster("bookworm", "trixie", "bookworm", stem="cluster-")
    yield servers
    for server in servers:
        lab.remove(server.name)


def test_three_servers_become_one_cluster(three: list[Server], ftl: Callable[..., Project]) -> None:
    """What is closed between them is named first, and nothing half done; then they join, once.

    Another address than the one in the cluster is refused. A server that is taken out of the file leaves; the
    others are as they should be after each run. Of two, the first is the manager, and the other one may leave.
    """
    a, b, c = three
    app = cluster_project(ftl, three)
    c.block(a, 4789, "udp")
    refused = app.run("setup")
    assert refused.exit_code == 1
    assert f"from {a.name}.test to {c.name}.test: 4789/udp" in refused.stderr
    assert [swarm_state(server) for server in three] == ["inactive"] * 3
    c.unblock(a, 4789, "udp")

    kinds = [kind for kind, _ in app.setup()]
    assert kinds == ["begin_cluster", "join_cluster", "join_cluster", *["label_node"] * 3, "try_network"]
    assert nodes(a) == dict.fromkeys((a.name, b.name, c.name), ("Ready", "manager"))
    assert app.setup() == []

    b.run("ip", "address", "add", "198.51.100.7/24", "dev", "eth0")
    app.config["servers"][1]["private_address"] = "198.51.100.7"
    rules = a.run("iptables", "-S").stdout
    refused = app.run("setup")
    assert f"write `private_address: {b.address}`" in refused.stderr
    assert a.run("iptables", "-S").stdout == rules
    app.config["servers"][1] = section(b)

    app.config["servers"].pop()
    assert ("remove_server", f"{c.name}.test") in app.setup()
    assert nodes(a) == {a.name: ("Ready", "manager"), b.name: ("Ready", "worker")}
    assert app.setup() == []

    app.config["servers"] = [section(b)]
    refused = app.run("setup")
    assert "no manager of the cluster is among the servers of ftl.yaml" in refused.stderr
    assert a.address in refused.stderr
    app.config["servers"] = [section(b), section(a)]
    assert [kind for kind, _ in app.setup()] == ["change_role", "change_role"]
    assert nodes(b) == {b.name: ("Ready", "manager"), a.name: ("Ready", "worker")}
    app.config["servers"].pop()
    assert ("remove_server", f"{a.name}.test") in app.setup()
    assert nodes(b) == {b.name: ("Ready", "manager")}


def test_a_server_that_does_not_let_us_in_stops_all(three: list[Server], ftl: Callable[..., Project]) -> None:
    """All are asked before any is changed; those that refuse, and one in another Swarm, are named."""
    a, b, c = three
    app = cluster_project(ftl, three)
    before = [server.run("iptables", "-S").stdout for server in three]
    app.config["servers"][1]["user"] = "nobody-here"
    refused = app.run("setup")
    assert refused.exit_code == 3
    assert f"{b.name}.test" in refused.stderr
    app.config["servers"][1] = section(b)
    c.docker("swarm", "init", "--advertise-addr", c.address)
    refused = app.run("setup")
    assert f"{c.name}.test is in a swarm that is not FTL's, and was not changed" in refused.stderr
    assert [swarm_state(server) for server in three] == ["inactive", "inactive", "active"]
    assert before[:2] == [server.run("iptables", "-S").stdout for server in (a, b)]


@pytest.mark.nightly
def test_a_server_with_replicas_leaves_when_it_is_drained(
    three: list[Server], ftl: Callable[..., Project]
) -> None:
    """Swarm would stop them before it starts others. One that joins gets some when it has their image."""
    a, b, c = three
    app = cluster_project(ftl, three, replicas=3, command=["httpd", "-f", "-p", "8000"])
    app.config["servers"].pop()
    app.setup()
    app.run("deploy").ok()
    app.config["servers"].append(section(c))
    assert ("label_node", f"{c.name}.test") in app.setup()
    admitted = (
        "node",
        "inspect",
        c.name,
        "--format",
        f'{{{{index .Spec.Labels "ftl.role.{app.name}.any"}}}}',
    )
    assert a.docker(*admitted).strip() == ""
    assert app.setup() == []
    app.project.write({"Dockerfile": "FROM ftl-lab-busybox:latest\nLABEL changed=yes\n"})
    deployed = app.run("deploy", "--json").ok()
    assert "admit_server" in [event["step"] for event in deployed.events("step_finished")]
    assert a.docker(*admitted).strip() == "true"
    assert app.setup() == []
    assert app.name in c.run("crontab", "-u", c.user, "-l").stdout.decode()
    app.config["servers"].pop()
    refused = app.run("setup")
    assert f"{c.name}.test is no longer in ftl.yaml, and still has replicas of web" in refused.stderr
    app.config["servers"].append(section(c))
    app.run("servers", "drain", f"{c.name}.test").ok()
    app.config["servers"].pop()
    assert ("remove_server", f"{c.name}.test") in app.setup()
    assert set(nodes(a)) == {a.name, b.name}
    assert swarm_state(c) == "inactive"
    assert app.name not in c.run("crontab", "-u", c.user, "-l", check=False).stdout.decode()


@pytest.mark.nightly
def test_ctrl_c_leaves_no_swarm(three: list[Server], ftl: Callable[..., Project]) -> None:
    """Whichever engine is at work: it goes on with what was asked of it, and is then asked to leave."""
    app = cluster_project(ftl, three)
    for kind in ("begin_cluster", "join_cluster", "try_network"):
        app.write()
        events: list[tuple[str, str]] = []
        with app.project.start("setup", "--json") as process:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                events.append((event["type"], event.get("step", "")))
                if (
                    events[-1] == ("step_started", kind) and events.count(events[-1]) == 1
                ):  # a second ends it at once
                    process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        assert ("step_undone", "begin_cluster") in events, events
        assert events.count(("step_started", kind)) == events.count(("step_failed", kind)), events
        assert [swarm_state(server) for server in three] == ["inactive"] * 3
    assert len(app.setup()) == 7


def test_a_server_that_is_lost_for_good_is_taken_out(
    three: list[Server], ftl: Callable[..., Project]
) -> None:
    """It goes before another manager becomes a worker: Swarm would not let both of the others go."""
    a, b, c = three
    app = cluster_project(ftl, three)
    app.setup()
    c.kill()
    while nodes(a)[c.name][0] != "Down":
        time.sleep(0.5)
    app.config["servers"].pop()
    assert app.setup()[-2:] == [("remove_server", f"{c.name}.test"), ("change_role", f"{b.name}.test")]
    assert nodes(a) == {a.name: ("Ready", "manager"), b.name: ("Ready", "worker")}
    assert app.setup() == []


@pytest.mark.nightly
def test_a_cluster_is_recovered_from_one_manager(three: list[Server], ftl: Callable[..., Project]) -> None:
    """Without a majority setup explains; --recover begins anew, and what comes back joins again."""
    a, b, c = three
    app = cluster_project(ftl, three)
    app.setup()
    b.kill()
    c.kill()
    while a.run("docker", "node", "ls", check=False).returncode == 0:  # it finds out by a missing answer
        time.sleep(0.5)
    refused = app.run("setup")
    assert refused.exit_code != 0
    planned = app.run("setup", "--recover", "--dry-run", "--json").ok().result["changes"]
    assert [(step["step"], step["server"]) for step in planned] == [("recover_cluster", f"{a.name}.test")]
    changes = app.run("setup", "--recover", "--json").ok().result["changes"]
    assert changes[0]["step"] == "recover_cluster"
    assert nodes(a) == {a.name: ("Ready", "manager")}
    b.start()
    c.start()
    app.setup()
    assert nodes(a) == dict.fromkeys((a.name, b.name, c.name), ("Ready", "manager"))
