"""Work, options and output of the commands that change a server."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import click

from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import DeployedProject, load_section, load_target, project_option
from ftl.cli.running.command_line import given_command, wait_lock_option
from ftl.cli.running.run import pass_options, run
from ftl.cli.views.tables import maintenance_text, transfer_cells
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ftl.cli.options import Options
    from ftl.config.models.project import Registry
    from ftl.deploy.command_line import GivenCommand
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest, OperationResult
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author
    from ftl.deploy.result import DeployResult
    from ftl.events import Emit
    from ftl.ssh.machine import Machine

HEADER = ("SERVICE", "ACTION", "IMAGE", "SENT", "REUSED")
OPTIONAL = ("IMAGE", "REUSED")

build_option = click.option(
    "--build/--no-build", default=True, help="Build first, or use the images of the last build."
)
upgrade_proxy_option = click.option(
    "--upgrade-proxy",
    is_flag=True,
    help="Also upgrade a proxy that does not run the newest proxy.image; connections wait a second or two.",
)
adopt_option = click.option(
    "--adopt",
    is_flag=True,
    help="Take over a project of this name that another repository or environment deployed.",
)
summary_option = click.option(
    "--summary",
    metavar="FILE",
    help="Append a summary in Markdown to this file: changes, bytes, seconds, links; or why it failed.",
)


class _Planned(Protocol):
    """Result of an operation, with its plan."""

    @property
    def plan(self) -> Plan:
        """The plan that was applied, or with --dry-run would be."""
        ...


R = TypeVar("R", bound=_Planned)


class OperationCall(NamedTuple):
    """Call of a command that changes a deployed project."""

    options: Options
    target: DeployedProject
    command: GivenCommand
    dry_run: bool

    def run(
        self,
        name: str,
        work: Callable[[OperationRequest, Sequence[Machine], Emit], Awaitable[R]],
        fields: Callable[[R], Fields],
        show: Callable[[R], None],
    ) -> None:
        """Do the work and print its result: with --json under this name, with --dry-run its plan."""
        from dataclasses import replace

        request = replace(
            self.target.request(self.command), dry_run=self.dry_run, registries=self._registries
        )

        async def operate(emit: Emit) -> R:
            return await work(request, self.target.address.machines(project=self.target.project), emit)

        result = run(self.options, name, operate, fields)
        if self.options.json:
            return
        if self.dry_run:
            print_plan(result.plan)
        else:
            show(result)

    def _registries(self) -> Sequence[Registry]:
        """The `registries` of ftl.yaml.

        Raises:
            UsageError: There is no ftl.yaml.
            ConfigError: `registries` is wrong.
        """
        if not self.target.has_file:
            raise UsageError("in the folder of ftl.yaml, without --project, its `registries` are used")
        return load_section(self.options, "registries").registries

    def run_live(
        self,
        name: str,
        make: Callable[[OperationRequest, Author, Observed], Plan],
        services: Sequence[str],
        *,
        done: str,
    ) -> None:
        """Change containers of the live release, and print the change to each service: `done`."""

        async def work(request: OperationRequest, machines: Sequence[Machine], emit: Emit) -> OperationResult:
            from dataclasses import replace

            from ftl.operations.changes.live import adjust_live

            names = tuple(service.partition("=")[0] for service in services)
            return await adjust_live(make, replace(request, services=names), machines, emit=emit)

        def fields(applied: OperationResult) -> Fields:
            if self.dry_run:
                return {**plan_fields(applied.plan), "dry_run": True}
            return self.deploy_fields(applied)

        self.run(name, work, fields, lambda applied: _print_live(applied, done))

    def deploy_fields(self, applied: OperationResult) -> Fields:
        """The fields for --json of a change that made a release, or changed the live one."""
        from ftl.deploy.result import result

        deployed = result(applied)
        return deploy_fields(deployed, self.target.address.urls(applied.project, deployed))

    def print_deploy(self, applied: OperationResult) -> None:
        """Print a change that made a release."""
        from ftl.deploy.result import result

        deployed, address = result(applied), self.target.address
        print_deploy(
            deployed, address.urls(applied.project, deployed), address.host_requests(applied.project)
        )


def changes_project(function: Callable[..., None]) -> Callable[..., None]:
    """Add --dry-run, --wait-lock and --project to a command, which gets an `OperationCall`.

    A protected environment has to be given by -e, except for a dry run.
    """

    @click.option("--dry-run", is_flag=True, help="Show what would be done, without doing it.")
    @wait_lock_option
    @project_option
    @pass_options
    def call(options: Options, /, *, dry_run: bool, project: str | None, **arguments: object) -> None:
        target = load_target(options, project, changes=not dry_run)
        function(OperationCall(options, target, given_command(), dry_run), **arguments)

    return update_wrapper(call, function)


def _print_live(applied: OperationResult, done: str) -> None:
    from ftl.common.figures import duration
    from ftl.deploy.result import result as deployed

    result = deployed(applied)
    units = {**result.dependencies, **result.services}
    rows = [(name, unit.action, unit.image) for name, unit in units.items() if unit.action != "unchanged"]
    if rows:
        put_table(("SERVICE", "ACTION", "IMAGE"), rows, optional=("IMAGE",))
    outcome = (
        f"{result.release} {done} on {result.server}"
        if result.changed
        else f"nothing to do on {result.server}"
    )
    put(f"{outcome} ({duration(result.seconds)})")
    if result.maintenance:
        put(maintenance_text())


def deploy_fields(result: DeployResult, urls: Sequence[str]) -> Fields:
    """The result's fields for --json."""
    from dataclasses import asdict

    return {
        "server": result.server,
        "release": result.release,
        "seconds": round(result.seconds, 3),
        "changed": result.changed,
        "services": {name: asdict(service) for name, service in result.services.items()},
        "dependencies": {name: asdict(dependency) for name, dependency in result.dependencies.items()},
        "removed": list(result.removed),
        "urls": list(urls),
        "watch": result.watch,
        "servers": [asdict(server) for server in result.servers],
        "bytes_freed": result.freed.there,
        "bytes_freed_here": result.freed.here,
        "freed_estimated": result.freed.estimated,
    }


def print_deploy(result: DeployResult, urls: Sequence[str], host_requests: Sequence[str]) -> None:
    """Print the changes, the URLs, and the commands that request a host by its name."""
    from ftl.common.figures import duration

    units = {**result.dependencies, **result.services}
    rows = [(name, unit.action, unit.image, *transfer_cells(unit)) for name, unit in units.items()]
    if rows:
        put_table(HEADER, rows, optional=OPTIONAL)
    for name in result.removed:
        put(f"{name} was removed: it is no longer in ftl.yaml")
    outcome = "is live" if result.changed else "is already live, nothing changed"
    put(f"{result.release} {outcome} on {result.server} ({duration(result.seconds)})")
    if result.maintenance:
        put(maintenance_text())
    for url in urls:
        put(url)
    for command_line in host_requests:
        put(f"by host name: {command_line}")


def plan_fields(plan: Plan) -> Fields:
    """The plan's fields for --json."""
    from dataclasses import asdict

    return {
        "server": plan.server,
        "release": plan.release,
        "changed": not plan.empty,
        "changes": [asdict(change) for change in plan.changes],
        "steps": [
            {"step": step.kind, "service": step.subject, "text": step.located_text} for step in plan.steps
        ],
        "notes": list(plan.notes),
    }


def print_plan(plan: Plan) -> None:
    """Print the plan as text."""
    put_table(
        ("SERVICE", "ACTION", "WHY"),
        [(change.name, change.action, change.why) for change in plan.changes],
        sentences=("WHY",),
    )
    for note in plan.notes:
        put(note)
    if plan.empty:
        put(f"nothing to do on {plan.server}: {plan.release} stays live")
        return
    put(f"{plan.release} on {plan.server}:")
    for number, step in enumerate(plan.steps, 1):
        put(f"{number:4}. {step.located_text}")
