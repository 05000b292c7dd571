"""A restart of a release whose deploy was cut off between its switch and its record."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.observe.snapshot import observe
from ftl.errors import FtlError
from tests.support.clock import run as run_async
from tests.support.fake_images import INFO
from tests.unit.deploy.kills import restarting
from tests.unit.deploy.kills.model import Deploys


def cut_off_after_its_switch() -> Deploys:
    """A server on which r2 is live and its record says that its deploy has begun."""
    web = Service(name="web", image="app:1", port=8000, env={"A": "1"})
    first = Project(project=ProjectInfo(name="u"), server=Server(host="server"), services=(web,))
    second = replace(first, services=(replace(web, env={"A": "2"}),))
    for number in range(1, 80):
        machine = Deploys()
        machine.begin()
        machine.built["u"] = "1"
        machine.files["u"] = first
        assert machine._run("u")
        machine.files["u"] = second
        machine._run("u", fault=("kill", number, True))
        observed = run_async(observe(machine.engine, INFO, "u", "server"))
        if "r2" in observed.live_releases and "r2" in observed.undecided:
            return machine
    raise AssertionError("no call lies between the switch and the record")


def restart(machine: Deploys, fault: tuple[str, int, bool] | None) -> bool:
    """Whether it was done; `fault` as in the model."""
    try:
        restarting.restart(machine, fault)
    except FtlError:
        return False
    return True


def test_a_restart_that_fails_leaves_the_live_containers_although_it_repairs_their_record() -> None:
    """The repaired record says "live", which decides nothing: what the restart has started is taken back."""
    failed = 0
    for number in range(1, 25):
        machine = cut_off_after_its_switch()
        failed += not restart(machine, ("fail", number, False))
        alias = machine.engine.live()["u.web"]
        assert any(
            alias in names
            for one in machine.engine.by_name.values()
            if one.state == "running"
            for names in one.spec.networks.values()
        ), number
    assert failed
