"""The steps of a setup plan, by the request and the server's state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.engine import labels
from ftl.engine.calls.swarm import SwarmState
from ftl.errors import FtlError, UsageError
from ftl.server.setup.observe.state import ClusterFacts, DeployAccount, ObservedServer, RunningEngine
from ftl.server.setup.plan import firewall, guarded, steps
from ftl.server.setup.plan.planner import make_plan
from ftl.server.setup.ports import SWARM, WEB
from ftl.server.setup.request import SetupRequest
from tests.unit.server.setup.world import BARE, BOOKWORM, KEY, READY

REQUEST = SetupRequest(keys=(KEY,))


def kinds(observed: ObservedServer, options: SetupRequest = REQUEST) -> list[str]:
    """The kinds of a plan's steps."""
    return [step.kind for step in make_plan(options, observed, server="shop").steps]


def only_step(
    observed: ObservedServer, kind: type[steps.SetupStep], options: SetupRequest = REQUEST
) -> steps.SetupStep:
    """The plan's only step of a class."""
    (match,) = (step for step in make_plan(options, observed, server="shop").steps if isinstance(step, kind))
    return match


def test_the_steps_for_a_bare_server() -> None:
    """Package lists before packages, settings before the engine that reads them, and last what could lock us out."""
    assert kinds(BARE) == [
        "refresh_packages",
        "write_daemon_settings",
        "install_docker",
        "create_user",
        "join_docker_group",
        "authorise_key",
        "apply_firewall",
        "start_engine",
    ]


def test_missing_packages_are_installed_with_the_engine() -> None:
    """In one call of apt, for each takes a second by itself."""
    step = only_step(BARE, steps.InstallDocker)
    assert step.arguments[3] == "zstd"
    assert step.text == (
        "install Docker, zstd (Docker from https://download.docker.com/linux/debian if the server reaches it, "
        "else docker.io)"
    )


def test_a_complete_server_is_not_changed() -> None:
    """The plan has no steps and no notes."""
    plan = make_plan(REQUEST, READY, server="shop")
    assert plan.steps == ()
    assert plan.notes == ()


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"packages": READY.packages - {"zstd"}}, ["refresh_packages", "install_packages"]),
        ({"engine": None}, ["start_engine"]),
        ({"cron": False}, ["start_cron"]),
        (
            {"packages": READY.packages - {"cron"}, "cron": False},
            ["refresh_packages", "install_packages", "start_cron"],
        ),
        ({"daemon_json": None}, ["write_daemon_settings"]),
        (
            {"account": replace(READY.account or DeployAccount("", frozenset(), False), groups=frozenset())},
            ["join_docker_group"],
        ),
        ({"sshd": replace(READY.sshd, authorised=False)}, ["authorise_key"]),
        ({"sshd": replace(READY.sshd, ports=(22, 2222))}, ["apply_firewall"]),
        ({"firewall": replace(READY.firewall, in_force=False)}, ["apply_firewall"]),
        ({"firewall": replace(READY.firewall, enabled=False)}, ["apply_firewall"]),
        ({"firewall": replace(READY.firewall, script=b"older")}, ["apply_firewall"]),
        ({"ufw_rules": ()}, ["allow_in_ufw", "apply_firewall"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_only_missing_parts_are_planned(missing: dict[str, object], expected: list[str]) -> None:
    """One missing part leads to the steps for that part."""
    assert kinds(replace(READY, **missing)) == expected  # type: ignore[arg-type]


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


def test_a_swarm_s_ports_are_left_to_other_rules() -> None:
    """FTL's firewall leaves them alone; ufw gets no rule, and the plan a note."""
    swarm = replace(READY, engine=RunningEngine(live_restore=False, swarm=True, containers=1))
    applied = only_step(swarm, guarded.ApplyFirewall)
    assert isinstance(applied, guarded.ApplyFirewall)
    assert {(2377, "tcp"), (4789, "udp")} <= set(firewall.left_alone(applied.conf))
    plan = make_plan(REQUEST, replace(swarm, ufw_rules=("ufw allow 2377/tcp",)), server="shop")
    (allows,) = (step for step in plan.steps if isinstance(step, guarded.AllowInUfw))
    assert set(allows.ports) == set(WEB)
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert applied.text == "close the ports that containers publish, except 22, 80, 443 (tcp), 443 (udp)"
    assert any("the swarm's 7946 (tcp), 7946, 4789 (udp)" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("cluster", "facts"),
    [
        ("shop", ClusterFacts()),
        ("", ClusterFacts(swarm=SwarmState(state="active", node="n"), marked="n")),
        ("", ClusterFacts(swarm=SwarmState(state="active", node="n", labels={labels.CLUSTER: "1"}))),
    ],
)
def test_the_ports_of_ftl_s_own_swarm_are_closed_without_other_servers(
    cluster: str, facts: ClusterFacts
) -> None:
    """They were open to the others alone; once these have left, they are open to nobody."""
    engine = RunningEngine(live_restore=False, swarm=True, containers=1)
    conf = firewall.firewall_conf(None, WEB, left=((22, "tcp"), *SWARM), owner="own")
    seen = replace(READY, engine=engine, cluster=facts, firewall=replace(READY.firewall, conf=conf))
    (applied,) = (
        step
        for step in make_plan(replace(REQUEST, cluster=cluster), seen, server="shop").steps
        if isinstance(step, guarded.ApplyFirewall)
    )
    assert firewall.left_alone(applied.conf) == ((22, "tcp"),)
    assert set(firewall.allowed(applied.conf)) == set(WEB)


@pytest.mark.parametrize("ufw", [None, (), ("ufw allow from 203.0.113.5",), ("ufw allow in on tailscale0",)])
def test_ssh_is_not_opened_further(ufw: tuple[str, ...] | None) -> None:
    """Neither FTL's firewall nor ufw opens its ports, which may be restricted; `--allow` does it on request."""
    server = replace(BARE, ufw_rules=ufw, sshd=replace(BARE.sshd, ports=(22, 2222)))
    plan = make_plan(REQUEST, server, server="shop")
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert firewall.left_alone(applied.conf) == ((22, "tcp"), (2222, "tcp"))
    assert firewall.allowed(applied.conf) == WEB
    assert {(22, "tcp"), (2222, "tcp")} <= set(applied.ports)
    opened = [step.ports for step in plan.steps if isinstance(step, guarded.AllowInUfw)]
    assert opened == ([] if ufw is None else [WEB])
    asked = only_step(server, guarded.ApplyFirewall, replace(REQUEST, allow=((2222, "tcp"),)))
    assert (2222, "tcp") in firewall.allowed(getattr(asked, "conf", None))


def test_a_snap_s_settings_are_not_changed() -> None:
    """Docker as a snap has its settings elsewhere."""
    assert kinds(replace(READY, dockerd="/snap/bin/dockerd", daemon_json=None)) == []


def test_options_are_applied_only_where_missing() -> None:
    """Swap, automatic updates and hardening."""
    asked = replace(REQUEST, swap=2**31, unattended_upgrades=True, harden=True)
    assert kinds(READY, asked) == [
        "refresh_packages",
        "install_packages",
        "add_swap",
        "enable_upgrades",
        "grant_sudo",
        "harden_ssh",
    ]
    done = replace(
        READY,
        packages=READY.packages | {"sudo", "unattended-upgrades"},
        swap=1,
        auto_upgrades=b"",
        sshd=replace(READY.sshd, root_login="no", password_login=False),
    )
    assert kinds(done, asked) == []


def test_root_may_deploy_but_not_harden() -> None:
    """Root needs no group; hardening would leave no user who can log in."""
    root = replace(READY, user="root", account=DeployAccount("/root", frozenset({"root"}), sudoer=True))
    assert kinds(root) == []
    with pytest.raises(UsageError, match="the deploy user is root"):
        kinds(root, replace(REQUEST, harden=True))


def test_no_firewall_means_no_firewall_steps() -> None:
    """Neither ufw nor FTL's own rules are changed, and firewalld is no error."""
    assert kinds(replace(BARE, ufw_rules=()), replace(REQUEST, firewall=False)).count("apply_firewall") == 0
    assert kinds(replace(READY, firewalld=True), replace(REQUEST, firewall=False)) == []


def test_programs_whose_ports_will_be_closed_are_noted() -> None:
    """But not ports that a project deployed by FTL publishes; VPNs stay open."""
    vpn = (51820, "udp")
    busy = replace(
        BARE,
        listening=frozenset({(22, "tcp"), (5432, "tcp"), (8025, "tcp"), (2525, "tcp"), vpn}),
        vpn_ports=frozenset({vpn}),
        ftl_ports=frozenset({(2525, "tcp")}),
    )
    plan = make_plan(replace(REQUEST, forwards=((8025, "tcp"),)), busy, server="shop")
    assert [note for note in plan.notes if "closed" in note] == [
        "programs listen on 5432 (tcp), which will be closed: `--allow PORT` keeps a port open"
    ]
    kept = make_plan(replace(REQUEST, allow=((5432, "tcp"),)), busy, server="shop")
    assert any("programs listen on 8025 (tcp)" in note for note in kept.notes)
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert firewall.left_alone(applied.conf) == ((22, "tcp"), vpn)
    assert "51820, 443 (udp)" in applied.text


@pytest.mark.parametrize("ufw", [None, ("ufw allow 8099", "ufw allow from 10.0.0.0/8 to any port 5432")])
def test_containers_whose_ports_will_be_closed_are_noted(ufw: tuple[str, ...] | None) -> None:
    """With ufw as well, which does not restrict them; a port that it opens to everybody stays open."""
    busy = replace(BARE, ufw_rules=ufw, foreign_ports=frozenset({(8099, "tcp"), (5432, "tcp"), (80, "tcp")}))
    plan = make_plan(REQUEST, busy, server="shop")
    (applied,) = (step for step in plan.steps if isinstance(step, guarded.ApplyFirewall))
    assert ((8099, "tcp") in firewall.allowed(applied.conf)) is bool(ufw)
    (note,) = plan.notes
    assert note.startswith(f"containers publish ports on {'5432' if ufw else '5432, 8099'} (tcp), which")
    assert make_plan(REQUEST, replace(READY, foreign_ports=busy.foreign_ports), server="shop").notes == ()


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


@pytest.mark.parametrize(
    ("observed", "options", "message"),
    [
        (replace(BARE, system=replace(BOOKWORM, id="fedora", name="Fedora 40")), REQUEST, "Fedora 40"),
        (replace(BARE, system=replace(BOOKWORM, version="10")), REQUEST, "does not support"),
        (replace(BARE, system=replace(BOOKWORM, architecture="riscv64")), REQUEST, "riscv64"),
        (replace(BARE, free=900_000_000), REQUEST, "not enough disk space for the packages"),
        (replace(READY, free=2**30), replace(REQUEST, swap=2**31), r"no room for 2G of swap \(2.1 GB\)"),
        (replace(READY, firewalld=True), REQUEST, "firewalld"),
        (replace(READY, daemon_json=b"{'live-restore': true}"), REQUEST, "is not JSON"),
        (replace(READY, daemon_json=b"[]"), REQUEST, "not a JSON object"),
        (BARE, replace(REQUEST, keys=()), "no SSH key with which deploy could log in"),
        (replace(BARE, sshd=replace(BARE.sshd, key_files=("none",))), REQUEST, "reads no authorized_keys"),
        (
            replace(READY, sshd=replace(READY.sshd, includes=False)),
            replace(REQUEST, harden=True),
            "sshd_config.d",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_cannot_be_set_up_is_an_error(
    observed: ObservedServer, options: SetupRequest, message: str
) -> None:
    """With the server's name and a hint, before anything is changed."""
    with pytest.raises(FtlError, match=message) as caught:
        make_plan(options, observed, server="shop")
    assert caught.value.hint
    assert "shop" in caught.value.message


@pytest.mark.parametrize(
    "step", make_plan(replace(REQUEST, swap=2**30, harden=True), BARE, server="s").steps, ids=lambda s: s.kind
)
def test_every_argument_is_one_line(step: steps.SetupStep) -> None:
    """The root shell reads a step's arguments line by line."""
    assert not any("\n" in argument for argument in step.arguments)
    assert step.text


def test_a_server_of_a_cluster_loses_live_restore() -> None:
    """An engine with it cannot be in a Swarm; it is reloaded, so that its containers run on."""
    request = replace(REQUEST, cluster="shop", peers=("10.0.0.2",))
    step = next(
        step
        for step in make_plan(request, READY, server="shop").steps
        if isinstance(step, steps.DisableLiveRestore)
    )
    assert b'"live-restore": false' in step.content


def test_other_servers_are_let_through_ufw_once() -> None:
    """Rules for each of the other servers are added, and not again; another project's servers stay."""
    request = replace(REQUEST, cluster="shop", peers=("10.0.0.2",))
    other = firewall.firewall_conf(READY.firewall.conf, WEB, owner="ufw", peers=[("10.0.0.9", "blog")])
    with_ufw = replace(READY, ufw_rules=(), firewall=replace(READY.firewall, conf=other))
    made = make_plan(request, with_ufw, server="shop").steps
    assert guarded.AllowPeersInUfw(("10.0.0.2",)) in made
    applied = next(step for step in made if isinstance(step, guarded.ApplyFirewall))
    assert firewall.peers(applied.conf) == (("10.0.0.2", "shop"), ("10.0.0.9", "blog"))
    rules = tuple(f"ufw allow from 10.0.0.2 to any port {port} proto {kind}" for port, kind in SWARM)
    made = make_plan(request, replace(with_ufw, ufw_rules=rules), server="shop").steps
    assert not any(isinstance(step, guarded.AllowPeersInUfw) for step in made)


def test_servers_that_have_left_are_shut_out_of_ufw() -> None:
    """Their rules go, but for those that another project's servers need, and for rules that FTL has not made."""
    request = replace(REQUEST, cluster="shop", peers=("10.0.0.2",))
    known = [("10.0.0.2", "shop"), ("10.0.0.3", "shop"), ("10.0.0.4", "shop"), ("10.0.0.4", "blog")]
    conf = firewall.firewall_conf(READY.firewall.conf, WEB, owner="ufw", peers=known)
    rules = [
        f"ufw allow from 10.0.0.{number} to any port {port} proto {kind}"
        for number in range(2, 6)
        for port, kind in SWARM
    ]
    with_ufw = replace(READY, ufw_rules=tuple(rules), firewall=replace(READY.firewall, conf=conf))
    made = make_plan(request, with_ufw, server="shop").steps
    assert [step for step in made if isinstance(step, guarded.CloseToPeersInUfw)] == [
        guarded.CloseToPeersInUfw(("10.0.0.3",))
    ]
    without = replace(with_ufw, ufw_rules=("ufw allow 22/tcp",))
    made = make_plan(request, without, server="shop").steps
    assert not any(isinstance(step, guarded.CloseToPeersInUfw) for step in made)
