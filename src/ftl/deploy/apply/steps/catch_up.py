"""Runners that keep the live state in a Swarm config, for servers that are away meanwhile."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

from ftl.aio import gather
from ftl.common.figures import size
from ftl.common.next_step import ftl
from ftl.common.programs import shell
from ftl.config.models.server import WEB
from ftl.deploy.apply.steps.consensus import is_taken, with_consensus
from ftl.deploy.plan.steps.catch_up import EndCatchUp, PauseCatchUp, PublishLiveState, ShareCertificates
from ftl.engine import labels
from ftl.errors import EngineError, ServerError
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.host import crontab
from ftl.proxy.commands import adoption
from ftl.proxy.live_state import at_other_server, live_archive, user_certificates
from ftl.proxy.names import ADMIN, ProxyNames
from ftl.proxy.tls.policy import by_acme

if TYPE_CHECKING:
    from collections.abc import Set

    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.calls.configs import SwarmConfig, SwarmConfigs
    from ftl.proxy.site import Site
    from ftl.proxy.state import ProxyState

RUNNERS: Runners[DeployContext] = Runners()

CONFIG_LIMIT = 500 << 10
"""Bytes of a config that an engine takes (20.10)."""

SHARE_SECONDS = 60.0
"""Limit for one server's proxy to give or take certificates."""


@RUNNERS.runs(PauseCatchUp)
async def pause_catch_up(context: DeployContext, step: PauseCatchUp) -> None:
    """Remove the config of the live state; undoing creates it again."""
    configs = context.fleet.first.engine.configs
    before = await _list(configs, _label_map(step.project))

    async def undo() -> None:
        # The plan's own config, if it came so far: of two none is used.
        await _remove(configs, await _list(configs, _label_map(step.project)))
        if len(before) == 1:
            await _create(configs, step.project, before[0].data)

    context.undo.add(step, undo)
    await _remove(configs, before)
    await gather(_await_end(at, step.project) for at in context.each(step.servers))


@RUNNERS.runs(PublishLiveState)
async def publish_live_state(context: DeployContext, step: PublishLiveState) -> None:
    """Store the first proxy's live state in a Swarm config; all proxies serve the same."""
    configs = context.fleet.first.engine.configs
    older = await _list(configs, _label_map(step.project))
    state = await context.at(step.issuer).proxy.observe()
    archive, site = None, None
    if state is not None:
        site = state.site(step.project)
        away = {*step.proxies} - {*step.servers}
        others = await _sites_beside(context, step.project, away, state)
        named = [] if site is None or not away else [site, *(one for each in others.values() for one in each)]
        archive = live_archive(
            state,
            step.project,
            step.proxies,
            step.issuer,
            gone=step.gone,
            others=others,
            certificates=await user_certificates(context.at(step.issuer).engine, named),
        )
    if archive is not None and len(archive) >= CONFIG_LIMIT:
        text = f"the live state is {size(len(archive))}, over the size limit of a Swarm config"
        hint = "servers that come back answer 503 until the next deploy; use a shorter maintenance page"
        context.emit(Note(text, "warning", hint=hint))
        archive = None
    if archive is not None:
        await _create(configs, step.project, archive)
    await _remove(configs, older)
    # A worker is told what is live by deploys alone, and certificates by tasks of the Swarm.
    secured = site is not None and bool(by_acme([site]))
    await gather(
        _schedule_catch_up(at, step) for at in context.each(step.servers) if at.info.is_manager or secured
    )


async def _sites_beside(
    context: DeployContext, project: str, away: Set[str], state: ProxyState
) -> dict[str, tuple[Site, ...]]:
    """Server that is away -> the sites of other projects there, of those that the issuer's proxy has, too."""
    beside = [site for name, site in state.sites.items() if name != project and site.place is not None]
    if not away or not beside:
        return {}
    nodes = await with_consensus(context.fleet.first.engine.swarm.nodes)
    return {
        host: tuple(
            at_other_server(site, name)
            for site in beside
            if (name := node.labels.get(labels.node_host(site.project)))
            and labels.node_role(site.project, WEB) in node.labels
        )
        for node in nodes
        if (host := node.labels.get(labels.node_host(project), "")) in away
    }


@RUNNERS.runs(ShareCertificates)
async def share_now(context: DeployContext, step: ShareCertificates) -> None:
    """Have the issuer give its certificates, and then the others take them."""
    await share_certificates(context.at(step.issuer), step.project, "give")
    others = (at for at in context.each(step.servers) if at.session.name != step.issuer)
    await gather(share_certificates(at, step.project) for at in others)


async def share_certificates(
    context: DeployContext, project: str, action: Literal["give", "get"] = "get"
) -> None:
    """Let a server share certificates now, as its cron does each minute.

    One that is no manager gets them from here. A failure is a warning: the server tries again.
    """
    given: bytes | None = None
    arguments: list[str] = [action]
    if not context.info.is_manager:
        configs = context.fleet.first.engine.configs
        shared = await configs.list({labels.PROJECT: project, labels.ROLE: labels.ROLE_CERTIFICATES})
        if len(shared) != 1:
            return
        given, arguments = shared[0].data, ["take", shared[0].labels.get(labels.CONTENT, "")]
    script = crontab.catch_up_script(adoption())
    place = [context.machine.engine_socket, project, ProxyNames().container, ADMIN]
    argv = shell(script, "ftl-follow", *place, *arguments)
    try:
        done = await context.machine.run(argv, stdin=given, timeout=SHARE_SECONDS)
    except ServerError as error:
        cause = error.message
    else:
        if done.exit_code == 0:
            return
        cause = done.message[-300:]
        cause = cause or f"status {done.exit_code}"
    text = f"{context.session.name} cannot share certificates: {cause}"
    context.emit(Note(text, "warning", hint=f"{ftl('doctor')} shows the certificates of each server"))


async def _await_end(context: DeployContext, project: str) -> None:
    """Wait until a catch-up with the previous release has ended; no other begins.

    One that hangs, or does not answer, is a warning: the other steps need the server, or go on without it.
    """
    try:
        done = await context.machine.run(crontab.await_catch_up(project), timeout=SHARE_SECONDS)
    except ServerError as error:
        cause = error.message
    else:
        if done.exit_code == 0:
            context.catch_up_before[context.session.name] = done.text.strip()
            return
        cause = "it has not finished after 30 s"
    text = f"{context.session.name} may still be catching up with the previous release: {cause}"
    context.emit(
        Note(text, "warning", hint=f"run {ftl('deploy')} again to bring its proxy to the live release")
    )


async def _schedule_catch_up(context: DeployContext, step: PublishLiveState) -> None:
    script, places = crontab.catch_up_script(adoption()), (ProxyNames().container, ADMIN)
    machine = context.machine
    state = crontab.catch_up_state(machine, step.project, script, places)
    if context.catch_up_before.get(context.session.name) == state:
        return
    try:
        await crontab.write_catch_up(machine, step.project, script, places)
    except ServerError as error:
        text = f"{context.session.name} cannot catch up by itself after an outage: {error.cause}"
        context.emit(Note(text, "warning", hint=f"{ftl('setup')} installs cron and starts it"))


@RUNNERS.runs(EndCatchUp)
async def end_catch_up(context: DeployContext, step: EndCatchUp) -> None:
    """Remove a project's configs, lines in crontabs, and keys that nobody has taken."""
    engine, every = context.fleet.first.engine, context.each(step.servers)
    configs = engine.configs
    await _remove(configs, await _list(configs, _label_map(step.project)))
    await gather(crontab.write_catch_up(at.machine, step.project, "", ()) for at in every)
    # One that has begun to give certificates would make the config anew.
    await gather(_await_end(at, step.project) for at in every)
    shared = {labels.PROJECT: step.project, labels.ROLE: labels.ROLE_CERTIFICATES}
    bringing = await engine.services(labels=shared)  # a config that a service has cannot be removed
    await gather(engine.remove_service(service.id) for service in bringing)
    await _remove(configs, await _list(configs, shared))
    await gather(at.proxy.remove_shared_certificates(step.project) for at in every)


def _label_map(project: str) -> dict[str, str]:
    return {labels.PROJECT: project, labels.ROLE: labels.ROLE_LIVE}


async def _create(configs: SwarmConfigs, project: str, data: bytes) -> None:
    """Create one config: of two none is used, so that each attempt has the same name."""
    name, tried = f"ftl-live-{secrets.token_hex(8)}", False

    async def create() -> None:
        nonlocal tried
        try:
            await configs.create(name, data, _label_map(project))
        except EngineError as error:
            if not tried or not is_taken(error):
                tried = True
                raise

    await with_consensus(create)


async def _list(configs: SwarmConfigs, label_map: dict[str, str]) -> list[SwarmConfig]:
    return await with_consensus(lambda: configs.list(label_map))


async def _remove(configs: SwarmConfigs, removed: list[SwarmConfig]) -> None:
    async def remove(config: SwarmConfig) -> None:
        await with_consensus(lambda: configs.remove(config.id))

    await gather(map(remove, removed))
