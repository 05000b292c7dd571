"""`ftl setup`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.project import load_project
from ftl.cli.running.command_line import given_command
from ftl.cli.running.run import pass_options, run
from ftl.common.next_step import ftl
from ftl.config.read.parts import LOGINS, Fetch
from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.cli.options import Options
    from ftl.config.models.project import Project
    from ftl.events import Emit
    from ftl.operations.changes.server_setup import SetupCall
    from ftl.server.cluster.setup import ClusterSetupResult
    from ftl.server.setup.plan.planner import SetupPlan
    from ftl.server.setup.request import SetupRequest
    from ftl.server.setup.setup import RootAccess

PASSWORD = "FTL_SUDO_PASSWORD"  # noqa: S105 - the name of the variable

_UNITS = {"": 1, "M": 2**20, "G": 2**30}


@click.command()
@click.option("--dry-run", is_flag=True, help="Show the changes without making them.")
@click.option(
    "--as",
    "login",
    metavar="USER",
    help="Log in as this user: root, or one with sudo.  [default: server.user, else root]",
)
@click.option(
    "--firewall/--no-firewall",
    default=True,
    help="Close all ports but those in use by FTL and --allow, or leave them open.",
)
@click.option("--allow", metavar="PORT", multiple=True, help="Also keep this port open: 5432, 51820/udp.")
@click.option("--swap", metavar="SIZE", help="Add a swap file of this size if there is no swap: 2G, 512M.")
@click.option(
    "--unattended-upgrades", is_flag=True, help="Let the server install security updates automatically."
)
@click.option(
    "--harden",
    is_flag=True,
    help="Disable root's login and password logins, once server.user can log in by key.",
)
@click.option(
    "--docker-repository",
    metavar="URL",
    default="https://download.docker.com/linux",
    show_default=True,
    help="The repository of Docker's packages, or a mirror of it.",
)
@click.option(
    "--store-credentials",
    is_flag=True,
    help="Also store the logins to registries on the server, for pulls without FTL.",
)
@click.option(
    "--recover",
    is_flag=True,
    help="With servers: rebuild the cluster from one manager when most managers are lost for good.",
)
@pass_options
def command(
    options: Options,
    dry_run: bool,
    login: str | None,
    firewall: bool,
    allow: tuple[str, ...],
    swap: str | None,
    unattended_upgrades: bool,
    harden: bool,
    docker_repository: str,
    store_credentials: bool,
    recover: bool,
) -> None:
    """Prepare a bare Debian or Ubuntu server for deploys.

    Checks the server and adds only what is missing: Docker with bounded logs, the user who deploys (server.user)
    with your key, and a firewall that also covers containers' ports. Run it again at any time: where nothing is
    missing, nothing changes.

    If sudo requires a password, it is asked for on the terminal; without a terminal it is read from the variable
    FTL_SUDO_PASSWORD. It is not stored.

    With `servers`, all of them are prepared in parallel and become one cluster: Docker's Swarm mode, with a network
    that is tested with real packets. Nothing is changed before the login to all of them works. To add or to remove a
    server, edit the file and run it again.

    Logins are tried for the registries that images are pushed to, and for private ones that the server pulls from.
    Missing credentials are asked for and stored where `docker login` stores them on this machine.
    """
    from ftl.operations.changes.server_setup import SetupCall, audited_setup
    from ftl.server.setup.request import SetupRequest
    from ftl.server.setup.setup import RootAccess, setup

    project, root, address = load_project(options, fetch=Fetch(LOGINS))
    request = SetupRequest(
        firewall=firewall,
        allow=tuple(map(parse_port, allow)),
        swap=parse_size(swap) if swap is not None else 0,
        unattended_upgrades=unattended_upgrades,
        harden=harden,
        docker_repository=parse_repository(docker_repository),
    )
    access = RootAccess(login, os.environ.get(PASSWORD, ""), _ask)
    call = SetupCall(project.name, root, address.machines(project=project.name), given_command())
    if project.is_cluster:
        if address.narrowed:
            raise UsageError(
                "`ftl setup` prepares all `servers`, not one of them", hint="leave out `--server`"
            )
        _set_up_cluster(
            options, project, call, request, access, dry_run=dry_run, recover=recover, store=store_credentials
        )
        return
    if recover:
        raise UsageError("`--recover` is for several servers, and ftl.yaml has no `servers`")

    async def work(emit: Emit) -> tuple[SetupPlan, tuple[str, ...]]:
        async with audited_setup(call, emit) as audited:
            plan = await setup(project, request, access, dry_run=dry_run, emit=audited)
        return plan, () if dry_run else await _log_in(project, root, emit, store=store_credentials)

    def fields(outcome: tuple[SetupPlan, tuple[str, ...]]) -> Fields:
        plan, registries = outcome
        changed = {"changed": bool(plan.steps) and not dry_run, "dry_run": dry_run}
        return {**_fields(plan), **changed, "registries": list(registries)}

    plan, _ = run(options, "setup", work, fields)
    if not options.json:
        _print(plan, dry_run=dry_run)


def _set_up_cluster(
    options: Options,
    project: Project,
    call: SetupCall,
    request: SetupRequest,
    access: RootAccess,
    *,
    dry_run: bool,
    recover: bool,
    store: bool,
) -> None:
    """Set up several servers, and print the result."""
    from dataclasses import replace

    from ftl.operations.changes.server_setup import audited_setup
    from ftl.server.cluster.setup import setup_cluster

    async def work(emit: Emit) -> tuple[ClusterSetupResult, dict[str, None]]:
        async with audited_setup(call, emit) as audited:
            done = await setup_cluster(
                project, request, access, dry_run=dry_run, recover=recover, emit=audited
            )
        registries: dict[str, None] = {}
        for server in () if dry_run else project.servers:
            if server.host in {plan.server for plan in done.servers}:
                alone = replace(project, server=server)
                registries |= dict.fromkeys(await _log_in(alone, call.root, emit, store=store))
        return done, registries

    def fields(outcome: tuple[ClusterSetupResult, dict[str, None]]) -> Fields:
        done, registries = outcome
        return {
            "changed": done.changed and not dry_run,
            "dry_run": dry_run,
            "servers": list(map(_fields, done.servers)),
            "changes": [{"step": step.kind, "server": step.server, "text": step.text} for step in done.steps],
            "registries": list(registries),
        }

    done, _ = run(options, "setup", work, fields)
    if not options.json:
        _print_cluster(project, done, dry_run=dry_run)


def _print_cluster(project: Project, done: ClusterSetupResult, *, dry_run: bool) -> None:
    """Print the changes on all servers, done or planned."""
    names = ", ".join(plan.server for plan in done.servers)
    if not done.changed:
        put(f"the cluster of {names} is ready; nothing had to change")
        return
    if not dry_run:
        put(f"the cluster of {names} is ready: {ftl('deploy')} deploys {project.name} to it")
        return
    for plan in done.servers:
        if plan.steps:
            _print(plan, dry_run=True)
    if done.steps:
        put("`ftl setup` would then make one cluster of the servers:")
        for number, step in enumerate(done.steps, 1):
            put(f"{number:4}. {step.text}")


def _fields(plan: SetupPlan) -> Fields:
    return {
        "server": plan.server,
        "system": plan.system,
        "user": plan.user,
        "changes": [{"step": step.kind, "text": step.text} for step in plan.steps],
        "notes": list(plan.notes),
    }


async def _log_in(project: Project, root: Path, emit: Emit, *, store: bool) -> tuple[str, ...]:
    """Log in to the registries; names of those whose login works."""
    from ftl.image.registry.keyring import Keyring
    from ftl.image.registry.names import display_name
    from ftl.server.setup.registries import log_in_to_registries
    from ftl.server.setup.registries import store_credentials as store_on_server
    from ftl.ssh.target import target_of

    keyring = Keyring(project.registries, root=root, environ=os.environ)
    logins = await log_in_to_registries(project, keyring, _ask_login, environ=os.environ, emit=emit)
    if store and logins:
        await store_on_server(target_of(project.server), logins, emit=emit)
    return tuple(display_name(login.registry) for login in logins)


def _print(plan: SetupPlan, *, dry_run: bool) -> None:
    """Print the changes on one server, done or planned."""
    if not plan.steps:
        put(f"{plan.server} is ready: {plan.user} can deploy; nothing had to change")
    elif dry_run:
        put(f"`ftl setup` would make these changes on {plan.server}:")
        for number, step in enumerate(plan.steps, 1):
            put(f"{number:4}. {step.text}")
    else:
        put(f"{plan.server} is ready: {plan.user} can deploy")


async def _ask(question: str) -> str | None:
    """Ask for a password on the terminal without echo; None where there is no terminal."""
    from ftl.ui.prompt import ask

    return await ask(question, secret=True)


async def _ask_login(registry: str) -> tuple[str, str] | None:
    """Ask for a user name and a password on the terminal; None where there is no terminal."""
    from ftl.ui.prompt import ask

    username = await ask(
        f"{registry} requires a login, and this machine has no credentials for it.\nUser name"
    )
    secret = await _ask("Password or token") if username else None
    return (username, secret) if username and secret else None


def parse_port(text: str) -> tuple[int, str]:
    """Parse PORT, PORT/tcp or PORT/udp."""
    match = re.fullmatch(r"(\d{1,5})(?:/(tcp|udp))?", text)
    if match is None or not 0 < int(match[1]) < 65536:
        raise UsageError(f"`{text}` is not a port", hint="write 5432, 5432/tcp or 51820/udp")
    return int(match[1]), match[2] or "tcp"


def parse_size(text: str) -> int:
    """Parse a number of bytes: 2G, 512M."""
    match = re.fullmatch(r"([1-9]\d*)([MG]?)i?B?", text, re.IGNORECASE)
    number = int(match[1]) * _UNITS[match[2].upper()] if match is not None else 0
    if number < _UNITS["M"]:
        raise UsageError(f"`{text}` is not a size for swap", hint="write 2G or 512M")
    return number


def parse_repository(text: str) -> str:
    """Check an http or https URL: it holds nothing that apt would parse as another option.

    It has no password either: the URL is printed, and stored in a file that all users of the server can read.
    """
    if "@" in text:
        raise UsageError(
            "`--docker-repository` takes no user name and no password",
            hint="apt reads them from /etc/apt/auth.conf.d on the server (apt_auth.conf(5))",
        )
    if not re.fullmatch(r"https?://[A-Za-z0-9._~:\[\]/%-]+", text):
        raise UsageError(
            f"`{text}` is not the URL of a repository", hint="write https://mirror.example.com/linux"
        )
    return text
