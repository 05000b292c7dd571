"""What setup does to a server, by what is there and what is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.errors import FtlError, UsageError
from ftl.server.setup.observe.state import DeployAccount, ObservedServer, RunningEngine
from ftl.server.setup.plan import firewall, steps
from ftl.server.setup.plan.planner import make_plan
from ftl.server.setup.ports import WEB
from ftl.server.setup.request import SetupRequest
from tests.unit.server.setup.world import BARE, BOOKWORM, KEY, READY

WANTED = SetupRequest(keys=(KEY,))


def kinds(observed: ObservedServer, wanted: SetupRequest = WANTED) -> list[str]:
    """The steps of a plan, by their stable names."""
    return [step.kind for step in make_plan(wanted, observed, server="shop").steps]


def one(
    observed: ObservedServer, kind: type[steps.SetupStep], wanted: SetupRequest = WANTED
) -> steps.SetupStep:
    """The plan's only step of a kind."""
    (found,) = (step for step in make_plan(wanted, observed, server="shop").steps if isinstance(step, kind))
    return found


def test_a_bare_server_gets_everything_in_an_order_that_works() -> None:
    """Lists before packages, settings before the engine that reads them, and last what could lock us out."""
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


def test_what_is_missing_comes_with_the_engine() -> None:
    """In one call of apt: each takes a second by itself."""
    step = one(BARE, steps.InstallDocker)
    assert step.words[3] == "zstd"
    assert step.text == (
        "install Docker, zstd (Docker from https://download.docker.com/linux/debian if the server reaches it, "
        "else docker.io)"
    )


def test_a_server_that_has_everything_is_left_alone() -> None:
    """No step, and no note."""
    plan = make_plan(WANTED, READY, server="shop")
    assert plan.steps == ()
    assert plan.notes == ()


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"packages": READY.packages - {"zstd"}}, ["refresh_packages", "install_packages"]),
        ({"engine": None}, ["start_engine"]),
        ({"daemon": None}, ["write_daemon_settings"]),
        (
            {"account": replace(READY.account or DeployAccount("", frozenset(), False), groups=frozenset())},
            ["join_docker_group"],
        ),
        ({"sshd": replace(READY.sshd, authorised=False)}, ["authorise_key"]),
        ({"sshd": replace(READY.sshd, ports=(22, 2222))}, ["apply_firewall"]),
        ({"firewall": replace(READY.firewall, holds=False)}, ["apply_firewall"]),
        ({"firewall": replace(READY.firewall, enabled=False)}, ["apply_firewall"]),
        ({"firewall": replace(READY.firewall, script=b"older")}, ["apply_firewall"]),
        ({"ufw": ()}, ["allow_in_ufw", "apply_firewall"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_only_what_is_missing_is_done(missing: dict[str, object], expected: list[str]) -> None:
    """One thing that is missing makes the steps for that thing."""
    assert kinds(replace(READY, **missing)) == expected  # type: ignore[arg-type]


def test_an_engine_that_runs_is_restarted_for_its_settings_and_one_that_does_not_is_not() -> None:
    """A restart is done where it is needed, and said."""
    running = one(replace(READY, daemon=None), steps.WriteDaemonSettings)
    assert "restart Docker while its containers go on" in running.text
    assert running.words[1] == "yes"
    assert one(BARE, steps.WriteDaemonSettings).words[1] == "no"


def test_a_swarms_engine_gets_no_live_restore() -> None:
    """It would not start with it."""
    swarm = replace(READY, daemon=None, engine=RunningEngine(live_restore=False, swarm=True, containers=1))
    step = one(swarm, steps.WriteDaemonSettings)
    assert isinstance(step, steps.WriteDaemonSettings)
    assert b"live-restore" not in step.content
    assert not step.restart  # its container would stop
    assert "for Docker's next start" in step.text


def test_a_swarms_ports_are_opened_to_nobody_who_had_no_way_in() -> None:
    """Our rules leave them to the others; ufw gets no rule, and its owner a note."""
    swarm = replace(READY, engine=RunningEngine(live_restore=False, swarm=True, containers=1))
    applied = one(swarm, steps.ApplyFirewall)
    assert isinstance(applied, steps.ApplyFirewall)
    assert {(2377, "tcp"), (4789, "udp")} <= set(firewall.untouched(applied.rules))
    plan = make_plan(WANTED, replace(swarm, ufw=("ufw allow 2377/tcp",)), server="shop")
    (allows,) = (step for step in plan.steps if isinstance(step, steps.AllowInUfw))
    assert set(allows.ports) == set(WEB)
    (applied,) = (step for step in plan.steps if isinstance(step, steps.ApplyFirewall))
    assert applied.text.endswith("the firewall, too: 22, 80, 443 (tcp), 443 (udp) stay open")
    assert any("the swarm's 7946 (tcp), 7946, 4789 (udp)" in note for note in plan.notes)


@pytest.mark.parametrize("ufw", [None, (), ("ufw allow from 203.0.113.5",), ("ufw allow in on tailscale0",)])
def test_ssh_is_let_in_by_nobody_but_who_let_it_in_before(ufw: tuple[str, ...] | None) -> None:
    """Neither our rules nor ufw open its ports: somebody may have limited them; `--allow` does it on request."""
    server = replace(BARE, ufw=ufw, sshd=replace(BARE.sshd, ports=(22, 2222)))
    plan = make_plan(WANTED, server, server="shop")
    (applied,) = (step for step in plan.steps if isinstance(step, steps.ApplyFirewall))
    assert firewall.untouched(applied.rules) == ((22, "tcp"), (2222, "tcp"))
    assert firewall.allowed(applied.rules) == WEB
    assert {(22, "tcp"), (2222, "tcp")} <= set(applied.ports)
    opened = [step.ports for step in plan.steps if isinstance(step, steps.AllowInUfw)]
    assert opened == ([] if ufw is None else [WEB])
    asked = one(server, steps.ApplyFirewall, replace(WANTED, allow=((2222, "tcp"),)))
    assert (2222, "tcp") in firewall.allowed(getattr(asked, "rules", None))


def test_a_snaps_settings_are_left_alone() -> None:
    """Docker as a snap has its settings elsewhere."""
    assert kinds(replace(READY, dockerd="/snap/bin/dockerd", daemon=None)) == []


def test_comforts_come_only_when_asked_for_and_missing() -> None:
    """Swap, updates and closed ways in."""
    asked = replace(WANTED, swap=2**31, unattended_upgrades=True, harden=True)
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


def test_root_may_deploy_but_not_end_its_own_login() -> None:
    """Root needs no group; hardening would leave nobody."""
    root = replace(READY, user="root", account=DeployAccount("/root", frozenset({"root"}), sudoer=True))
    assert kinds(root) == []
    with pytest.raises(UsageError, match="root is the user who deploys"):
        kinds(root, replace(WANTED, harden=True))


def test_without_the_firewall_nothing_of_it_is_touched() -> None:
    """Neither ufw nor our own rules."""
    assert kinds(replace(BARE, ufw=()), replace(WANTED, firewall=False)).count("apply_firewall") == 0
    assert kinds(replace(READY, firewalld=True), replace(WANTED, firewall=False)) == []


def test_what_will_be_closed_is_said_before() -> None:
    """Ports that something listens on are named, but not those that a project of FTL's opens; VPNs stay."""
    tunnel = (51820, "udp")
    busy = replace(
        BARE,
        listening=frozenset({(22, "tcp"), (5432, "tcp"), (8025, "tcp"), (2525, "tcp"), tunnel}),
        tunnels=frozenset({tunnel}),
        forwarded=frozenset({(2525, "tcp")}),
    )
    plan = make_plan(replace(WANTED, forwards=((8025, "tcp"),)), busy, server="shop")
    assert [note for note in plan.notes if "closed" in note] == [
        "something listens on 5432 (tcp), which will be closed: `--allow PORT` keeps it open"
    ]
    kept = make_plan(replace(WANTED, allow=((5432, "tcp"),)), busy, server="shop")
    assert any("something listens on 8025 (tcp)" in note for note in kept.notes)
    (applied,) = (step for step in plan.steps if isinstance(step, steps.ApplyFirewall))
    assert firewall.untouched(applied.rules) == ((22, "tcp"), tunnel)
    assert "51820, 443 (udp)" in applied.text


@pytest.mark.parametrize("ufw", [None, ("ufw allow 8099", "ufw allow from 10.0.0.0/8 to any port 5432")])
def test_containers_whose_ports_will_be_closed_are_named(ufw: tuple[str, ...] | None) -> None:
    """With ufw, too, which does not rule them; what it opens to everybody stays open."""
    busy = replace(BARE, ufw=ufw, published=frozenset({(8099, "tcp"), (5432, "tcp"), (80, "tcp")}))
    plan = make_plan(WANTED, busy, server="shop")
    (applied,) = (step for step in plan.steps if isinstance(step, steps.ApplyFirewall))
    assert ((8099, "tcp") in firewall.allowed(applied.rules)) is bool(ufw)
    (note,) = plan.notes
    assert note.startswith(f"containers publish ports on {'5432' if ufw else '5432, 8099'} (tcp), which")
    assert make_plan(WANTED, replace(READY, published=busy.published), server="shop").notes == ()


def test_without_authorities_docker_s_repository_is_asked_when_they_are_there() -> None:
    """Over HTTPS nothing could be fetched before; over HTTP it is asked at once."""
    server = replace(BARE, packages=BARE.packages - {"ca-certificates"})
    refresh, first, _, docker, *_ = make_plan(WANTED, server, server="shop").steps
    assert refresh.words == ("",)
    assert first.words == ("ca-certificates",)
    assert isinstance(docker, steps.InstallDocker)
    assert docker.others == ("zstd",)
    plain = make_plan(replace(WANTED, docker_repository="http://mirror/linux"), server, server="shop")
    assert plain.steps[0].words == ("http://mirror/linux/debian",)
    assert "install_packages" not in [step.kind for step in plain.steps]


@pytest.mark.parametrize(
    ("version", "package", "command"),
    [("13", "docker.io", "docker-cli"), ("12", "docker-ce", "docker-ce-cli"), ("12", "docker.io", None)],
)
def test_an_engine_without_the_docker_command_gets_it(
    version: str, package: str, command: str | None
) -> None:
    """Debian 13 has it in a package of its own, and Docker always had."""
    system = replace(BOOKWORM, version=version)
    server = replace(READY, system=system, has_docker=False, engine=None, packages=READY.packages | {package})
    plan = make_plan(WANTED, server, server="shop")
    installed = [step.packages for step in plan.steps if isinstance(step, steps.InstallPackages)]
    assert installed == ([(command,)] if command else [])


def test_an_insecure_registry_that_the_engine_is_not_told_of_is_named() -> None:
    """Its command line has some, and with both it would not start."""
    arguments = ("dockerd", "--insecure-registry=10.0.0.9:5000")
    server = replace(READY, engine_arguments=arguments)
    wanted = replace(WANTED, insecure=("10.0.0.5:5000", "10.0.0.9:5000"))
    (note,) = make_plan(wanted, server, server="shop").notes
    assert "add 10.0.0.5:5000 to that command line" in note


@pytest.mark.parametrize(
    ("observed", "wanted", "message"),
    [
        (replace(BARE, system=replace(BOOKWORM, id="fedora", name="Fedora 40")), WANTED, "Fedora 40"),
        (replace(BARE, system=replace(BOOKWORM, version="10")), WANTED, "does not know"),
        (replace(BARE, system=replace(BOOKWORM, architecture="riscv64")), WANTED, "riscv64"),
        (replace(BARE, free=900_000_000), WANTED, "no room for what is to be installed"),
        (replace(READY, free=2**30), replace(WANTED, swap=2**31), r"no room for 2G of swap \(2.1 GB\)"),
        (replace(READY, firewalld=True), WANTED, "firewalld"),
        (replace(READY, daemon=b"{'live-restore': true}"), WANTED, "is not JSON"),
        (replace(READY, daemon=b"[]"), WANTED, "no JSON object"),
        (BARE, replace(WANTED, keys=()), "no key that could let deploy in"),
        (replace(BARE, sshd=replace(BARE.sshd, key_files=("none",))), WANTED, "reads no keys"),
        (
            replace(READY, sshd=replace(READY.sshd, includes=False)),
            replace(WANTED, harden=True),
            "sshd_config.d",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_cannot_be_set_up_is_refused_before_anything_is_done(
    observed: ObservedServer, wanted: SetupRequest, message: str
) -> None:
    """Each with a sentence, and with a next step."""
    with pytest.raises(FtlError, match=message) as caught:
        make_plan(wanted, observed, server="shop")
    assert caught.value.hint
    assert "shop" in caught.value.message


@pytest.mark.parametrize(
    "step", make_plan(replace(WANTED, swap=2**30, harden=True), BARE, server="s").steps, ids=lambda s: s.kind
)
def test_every_word_is_one_line(step: steps.SetupStep) -> None:
    """The server reads a step's words line by line."""
    assert not any("\n" in word for word in step.words)
    assert step.text
