"""Checks of the machines of `build.on`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Build, Server
from ftl.errors import LoginRefused
from ftl.image.building.remote import ROOM
from ftl.server.doctor.checks.builders import TIGHT, BuilderInspection, builders_of, judge
from tests.unit.deploy.world import project, service

ENGINE = "Docker 28.5.2, linux/amd64, containerd"
REFUSED = LoginRefused("builder refuses the login", hint="`ssh builder` has to work")


@pytest.mark.parametrize(
    ("inspection", "level", "says"),
    [
        (BuilderInspection("builder", None, ENGINE, TIGHT), "ok", ENGINE),
        (BuilderInspection("builder", None, ENGINE), "ok", ENGINE),
        (BuilderInspection("builder", None, ENGINE, TIGHT - 1), "warning", "are free for builds"),
        (
            BuilderInspection("builder", None, ENGINE, ROOM - 1),
            "problem",
            "a build there needs 1.0 GB at least",
        ),
        (BuilderInspection("builder", REFUSED), "problem", "refuses the login"),
        (BuilderInspection("builder", LoginRefused("refuses the login")), "problem", "refuses the login"),
    ],
)
def test_a_builder(inspection: BuilderInspection, level: str, says: str) -> None:
    """It is named, and each problem has a command that helps."""
    found = judge(inspection)
    assert (found.area, found.name, found.level) == ("builders", "builder", level)
    assert says in found.what
    assert (found.fix is None) == (level == "ok")
    assert level == "ok" or "`" in str(found.fix)


def test_builders_are_the_hosts_that_are_no_servers_of_the_project() -> None:
    """Each once; this machine and the servers are checked anyway."""
    builds = ["local", None, "server", "builder", "b.example", "builder"]
    services = [service(f"s{number}", build=Build(on=place)) for number, place in enumerate(builds)]
    made = replace(project(*services), server=Server(host="b.example"))
    assert builders_of(made) == ("builder",)
    assert builders_of(None) == ()
