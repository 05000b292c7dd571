"""The record of a live release is on the disk soon after it was written."""

from __future__ import annotations

import pytest

from ftl.config.models.project import Project, ProjectInfo, Proxy, Route, Server, Service
from tests.unit.deploy.kills.model import Deploys


@pytest.mark.parametrize("is_broken", [False, True])
def test_the_proxy_syncs_the_volumes_once_the_release_is_recorded_as_live(is_broken: bool) -> None:
    """A power cut within half a minute would lose its project; a sync that fails costs the deploy nothing."""
    machine = Deploys()
    machine.begin()
    web = Service(name="web", image="app:1", port=8000, routes=(Route(host="u.test"),))
    machine.files["u"] = Project(
        project=ProjectInfo(name="u"),
        server=Server(host="server"),
        services=(web,),
        proxy=Proxy(tls="off"),
    )
    machine.built["u"] = "1"
    execute = machine.engine.on_execute
    synced: list[int] = []

    def noting(container: str, argv: list[str]) -> object:
        if argv[0] == "sync":
            synced.append(len(machine.engine.calls))
            assert argv == ["sync", "-f", "/config/live"]
            if is_broken:
                raise machine.engine._refuse(500, "no space left on device")
        return execute(container, argv)

    machine.engine.on_execute = noting  # type: ignore[assignment]
    assert machine._run("u")
    (at,) = synced
    switch, record, sync = machine.engine.calls[at - 3 : at]
    assert (switch, record.split()[0], sync) == (
        "execute ftl-proxy sh",
        "put_archive",
        "execute ftl-proxy sync",
    )
