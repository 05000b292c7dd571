"""The steps of a setup plan, by the request and the server's state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, UsageError
from ftl.server.setup.observe.state import DeployAccount, ObservedServer
from ftl.server.setup.plan import guarded
from ftl.server.setup.plan.planner import make_plan
from tests.unit.server.setup.world import BARE, BOOKWORM, READY

from .plans import REQUEST, kinds

if TYPE_CHECKING:
    from ftl.server.setup.plan import steps
    from ftl.server.setup.request import SetupRequest


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
        ({"disabled": frozenset({"docker"})}, ["start_engine"]),
        ({"engine": None, "disabled": frozenset({"docker"})}, ["start_engine"]),
        ({"cron": False}, ["start_cron"]),
        ({"disabled": frozenset({"crond"})}, ["start_cron"]),
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


def test_what_sshd_has_not_read_decides_nothing() -> None:
    """Files that say that it is closed are no reason to call it so; our own are read again, guarded."""
    harden = replace(REQUEST, harden=True)
    closed = replace(READY.sshd, root_login="no", password_login=False)
    server = replace(READY, packages=READY.packages | {"sudo"}, sshd=closed)
    assert kinds(server, harden) == []
    ours = replace(server, sshd=replace(closed, unread=guarded.DROP_IN))
    assert kinds(ours, harden)[-1] == "harden_ssh"
    theirs = replace(server, sshd=replace(closed, unread=(*guarded.DROP_IN, "/etc/ssh/sshd_config")))
    assert kinds(theirs) == []
    with pytest.raises(FtlError, match="shop has not read /etc/ssh/sshd_config since") as caught:
        kinds(theirs, harden)
    assert "systemctl reload ssh" in (caught.value.hint or "")


def test_a_match_that_lets_passwords_in_is_noted() -> None:
    """Somebody wrote it for some users or networks: nobody is to take these for closed."""
    block = "/etc/ssh/sshd_config: Match Address 10.0.0.0/8"
    server = replace(READY, sshd=replace(READY.sshd, exceptions=(block,)))
    plan = make_plan(replace(REQUEST, harden=True), server, server="shop")
    assert plan.hardened
    assert [note for note in plan.notes if block in note]
    assert make_plan(REQUEST, server, server="shop").notes == ()


def test_root_may_deploy_but_not_harden() -> None:
    """Root needs no group; hardening would leave no user who can log in."""
    root = replace(READY, user="root", account=DeployAccount("/root", frozenset({"root"}), sudoer=True))
    assert kinds(root) == []
    with pytest.raises(UsageError, match="the deploy user is root"):
        kinds(root, replace(REQUEST, harden=True))


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
