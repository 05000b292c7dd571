"""`ftl build`."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.project import load_project
from ftl.cli.running.run import pass_options, run
from ftl.common import figures
from ftl.common.next_step import ftl
from ftl.config.read.parts import BUILDS, Fetch
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.config.models.project import Project, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.fleet import Fleet
    from ftl.image.building.service_build import BuildResult
    from ftl.image.explain import Explanation


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Built images, explanations and pushed references, each by service."""

    built: Mapping[str, BuildResult]
    explained: Mapping[str, Explanation]
    pushed: Mapping[str, str]


@click.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option("--no-cache", is_flag=True, help="Run every step, without the build cache.")
@click.option(
    "--explain", is_flag=True, help="Suggest how to make the images smaller and their builds faster."
)
@click.option("--skip-push", is_flag=True, help="Do not push the images whose `image` names a registry.")
@pass_options
def command(
    options: Options, services: tuple[str, ...], no_cache: bool, explain: bool, skip_push: bool
) -> None:
    """Build the images of all or some services.

    Services are built in parallel, for the server's platform, on this machine or where `build.on` says. An unchanged
    build context builds nothing; otherwise the first step that missed the cache is named, with the change that caused
    it and its duration.

    A service with both `build` and `image` is also pushed to the registry that `image` names; on `ftl deploy` the
    server pulls it from there.

    Examples: `ftl build`, `ftl build web worker --explain`.
    """
    project, root, address = load_project(options, fetch=Fetch(BUILDS, frozenset(services) or None))
    chosen = _chosen(project, services)

    async def work(emit: Emit) -> _Outcome:
        from ftl.deploy.builders import build_services

        async with _open_engines(chosen, address, project, emit) as (engines, fleet):
            platform = _platform(project, fleet, emit)
            built = await build_services(
                project, chosen, engines, root=root, platform=platform, emit=emit, no_cache=no_cache
            )
            explained: dict[str, Explanation] = {}
            if explain:
                from ftl.image.explain import explain as explain_images

                explained = await explain_images(chosen, built, root=root, engines=engines)
            pushed = {} if skip_push else await _push(project, root, built, engines, emit)
        return _Outcome(built, explained, pushed)

    outcome = run(options, "build", work, _fields)
    if not options.json:
        for explanation in outcome.explained.values():
            put(_report(explanation, outcome.built[explanation.service]))


@asynccontextmanager
async def _open_engines(
    services: Sequence[Service], address: Address, project: Project, emit: Emit
) -> AsyncIterator[tuple[Mapping[str, Engine], Fleet | None]]:
    """The engines that build, by `build.on`; and the servers, which are connected only where one of them builds."""
    from ftl.deploy.builders import builder_of, builds_on_server, open_builders
    from ftl.engine.api import Engine
    from ftl.engine.local import local_url

    names = [server.host for server in address.servers or (address.server,)]
    async with AsyncExitStack() as stack:
        fleet = None
        if builds_on_server(services, names):
            from ftl.host.fleet import open_fleet

            machines = address.machines(project=project.name)
            fleet = await stack.enter_async_context(open_fleet(machines, emit))
        builders = await stack.enter_async_context(open_builders(services, fleet))
        engines = {place: session.engine for place, session in builders.items()}
        if any(not builder_of(service) for service in services):
            engines[""] = await stack.enter_async_context(Engine(local_url(), name="this machine"))
        yield engines, fleet


async def _push(
    project: Project,
    root: Path,
    built: Mapping[str, BuildResult],
    engines: Mapping[str, Engine],
    emit: Emit,
) -> dict[str, str]:
    """Push the images that name a registry; pushed references by service."""
    from ftl.deploy.builders import builder_of
    from ftl.image.registry.keyring import Keyring
    from ftl.image.registry.push_pull import push

    keyring = Keyring(project.registries, root=root, environ=os.environ)
    return {
        service.name: await push(engines[builder_of(service)], service.image, keyring, emit=emit)
        for service in project.services
        if service.image and service.name in built
    }


def _chosen(project: Project, names: tuple[str, ...]) -> list[Service]:
    """Services to build: those named, else all that have a `build`."""
    from ftl.errors import UsageError

    built = project.built_dependencies
    buildable = [*(service for service in project.services if service.build is not None), *built]
    services = [name for name in names if name not in {each.name for each in built}]
    chosen = [*project.select_services(services)] if services or not names else []
    chosen += [each for each in built if not names or each.name in names]
    for service in chosen if names else ():
        if service not in buildable:
            others = ", ".join(service.name for service in buildable) or "none"
            raise UsageError(
                f"`{service.name}` has no `build`: its image {service.image} is pulled by the server",
                hint=f"services with `build`: {others}",
            )
    return [service for service in chosen if service in buildable]


def _platform(project: Project, fleet: Fleet | None, emit: Emit) -> str | None:
    """The server's platform, if it is known; else None, with a note that the builder's is used."""
    from ftl.events import Note
    from ftl.image.platforms import recall_platform

    if fleet is not None:
        from ftl.deploy.observe.cluster import platform_of

        return platform_of(fleet)
    if project.server.is_local:
        return None
    known = recall_platform(project.server.host)
    if known is None:
        emit(
            Note(
                f"the platform of {project.server.host} is not known yet: building for the builder's platform",
                hint=f"{ftl('plan')} and {ftl('deploy')} ask the server and remember it; `build.platform` sets it",
            )
        )
    return known


def _fields(outcome: _Outcome) -> Fields:
    return {
        "services": {
            name: {
                **_service_fields(image, outcome.explained.get(name)),
                "pushed": outcome.pushed.get(name),
            }
            for name, image in outcome.built.items()
        }
    }


def _service_fields(built: BuildResult, explanation: Explanation | None) -> Fields:
    """Fields of one service in the JSON result."""
    fields: dict[str, object] = {
        "image": built.reference,
        "id": built.image.id,
        "content": built.content_id,
        "built": built.changed,
        "seconds": built.seconds,
        "size": built.image.size,
        "context_bytes": built.context.size,
        "first_miss": built.first_miss,
        "miss_seconds": built.miss_seconds,
        "miss_reason": built.miss_reason,
    }
    if explanation is not None:
        from dataclasses import asdict

        fields["explanation"] = asdict(explanation)
    return fields


def _report(explanation: Explanation, built: BuildResult) -> str:
    """Text of an explanation: the figures, then the advice."""
    lines = [
        f"{explanation.service}: {figures.size(explanation.size)}, of which {figures.size(explanation.base_size)} from "
        f"{explanation.base or 'scratch'}; build context {figures.size(explanation.context)}"
    ]
    for line, text, size, seconds in explanation.steps:
        short_text = text if len(text) <= 70 else f"{text[:67]}..."
        duration = f"{seconds:.1f} s" if seconds else ""
        lines.append(f"  {line:>4}  {figures.size(size):>9}  {duration:>8}  {short_text}")
    for advice in explanation.advice:
        place = f"{built.dockerfile.path}:{advice.line}: " if advice.line else ""
        lines += ["", f"  {place}{advice.text}", f"    hint: {advice.hint}"]
    if not explanation.advice:
        lines += ["", "  no improvements found"]
    return "\n".join([*lines, ""])
