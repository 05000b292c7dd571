"""A setup plan's engine: its package and its settings, alone and in a Swarm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.errors import FtlError
from ftl.server.setup.observe.state import RunningEngine
from ftl.server.setup.plan import steps
from ftl.server.setup.plan.planner import make_plan
from tests.unit.server.setup.world import BARE, BOOKWORM, READY, SETTINGS

from .plans import REQUEST, kinds, only_step


def test_missing_packages_are_installed_with_the_engine() -> None:
    """In one call of apt, for each takes a second by itself."""
    step = only_step(BARE, steps.InstallDocker)
    assert step.arguments[3] == "zstd"
    assert step.text == (
        "install Docker, zstd (Docker from https://download.docker.com/linux/debian if the server reaches it, "
        "else docker.io)"
    )


def test_only_a_running_engine_is_restarted_for_its_settings() -> None:
    """The step's text says so."""
    running = only_step(replace(READY, daemon_json=None), steps.WriteDaemonSettings)
    assert "restart Docker, keeping its containers running" in running.text
    assert running.arguments[1] == "yes"
    assert only_step(BARE, steps.WriteDaemonSettings).arguments[1] == "no"


def test_a_swarm_s_engine_gets_no_live_restore() -> None:
    """It does not start with it."""
    swarm = replace(
        READY, daemon_json=None, engine=RunningEngine(live_restore=False, swarm=True, containers=1)
    )
    step = only_step(swarm, steps.WriteDaemonSettings)
    assert isinstance(step, steps.WriteDaemonSettings)
    assert b"live-restore" not in step.content
    assert not step.restart  # its container would stop
    assert "for Docker's next start" in step.text


def test_an_engine_that_does_not_answer_is_started_before_it_gets_live_restore() -> None:
    """It may be in a Swarm: with live-restore in its file it would never start again."""
    down = replace(READY, daemon_json=b"{}", engine=None, engine_arguments=())
    start, settings = make_plan(REQUEST, down, server="shop").steps
    assert isinstance(start, steps.StartEngine)
    assert isinstance(settings, steps.WriteDaemonSettings)
    assert settings.arguments[1:3] == ("yes", "yes")  # the running engine reads it, or gets its old file back
    assert kinds(replace(down, disabled=frozenset({"docker"}))) == ["start_engine", "write_daemon_settings"]
    assert kinds(replace(down, daemon_json=SETTINGS)) == ["start_engine"]
    with pytest.raises(FtlError, match="on shop is not JSON"):
        make_plan(REQUEST, replace(down, daemon_json=b"{,"), server="shop")
    closed = make_plan(REQUEST, replace(down, firewall=BARE.firewall), server="shop").steps
    assert [step.kind for step in closed] == ["apply_firewall", "start_engine", "write_daemon_settings"]
    assert kinds(replace(down, daemon_json=b'{"live-restore": true}')) == [
        "write_daemon_settings",
        "start_engine",
    ]


def test_an_engine_that_has_not_read_its_file_reads_it() -> None:
    """One that was starting when the file was written does not have live-restore, whatever the file says."""
    unread = replace(READY, engine=RunningEngine(live_restore=False, swarm=False, containers=1))
    step = only_step(unread, steps.WriteDaemonSettings)
    assert isinstance(step, steps.WriteDaemonSettings)
    assert (step.content, step.topics, step.live) == (SETTINGS, ("live-restore",), True)
    swarm = replace(unread, engine=RunningEngine(live_restore=False, swarm=True, containers=1))
    assert "write_daemon_settings" not in kinds(swarm)


def test_a_snap_s_settings_are_not_changed() -> None:
    """Docker as a snap has its settings elsewhere."""
    assert kinds(replace(READY, dockerd="/snap/bin/dockerd", daemon_json=None)) == []


def test_docker_s_repository_is_checked_once_there_are_ca_certificates() -> None:
    """Over HTTPS it cannot be reached before; over HTTP it is checked at once."""
    server = replace(BARE, packages=BARE.packages - {"ca-certificates"})
    refresh, first, _, docker, *_ = make_plan(REQUEST, server, server="shop").steps
    assert refresh.arguments == ("",)
    assert first.arguments == ("ca-certificates",)
    assert isinstance(docker, steps.InstallDocker)
    assert docker.others == ("zstd",)
    plain = make_plan(replace(REQUEST, docker_repository="http://mirror/linux"), server, server="shop")
    assert plain.steps[0].arguments == ("http://mirror/linux/debian",)
    assert "install_packages" not in [step.kind for step in plain.steps]


@pytest.mark.parametrize(
    ("version", "package", "command"),
    [("13", "docker.io", "docker-cli"), ("12", "docker-ce", "docker-ce-cli"), ("12", "docker.io", None)],
)
def test_an_engine_without_the_docker_command_gets_it(
    version: str, package: str, command: str | None
) -> None:
    """Debian 13 has it in a package of its own, as Docker always had."""
    system = replace(BOOKWORM, version=version)
    server = replace(READY, system=system, has_docker=False, engine=None, packages=READY.packages | {package})
    plan = make_plan(REQUEST, server, server="shop")
    installed = [step.packages for step in plan.steps if isinstance(step, steps.InstallPackages)]
    assert installed == ([(command,)] if command else [])


def test_an_insecure_registry_that_must_go_on_the_command_line_is_noted() -> None:
    """The engine's command line lists others, and with both it does not start."""
    arguments = ("dockerd", "--insecure-registry=10.0.0.9:5000")
    server = replace(READY, engine_arguments=arguments)
    options = replace(REQUEST, insecure=("10.0.0.5:5000", "10.0.0.9:5000"))
    (note,) = make_plan(options, server, server="shop").notes
    assert "add 10.0.0.5:5000 to that command line" in note


def test_a_server_of_a_cluster_loses_live_restore() -> None:
    """An engine with it cannot be in a Swarm; it is reloaded, so that its containers run on."""
    request = replace(REQUEST, cluster="shop", peers=("10.0.0.2",))
    step = next(
        step
        for step in make_plan(request, READY, server="shop").steps
        if isinstance(step, steps.DisableLiveRestore)
    )
    assert b'"live-restore": false' in step.content
