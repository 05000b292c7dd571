"""Runners that start, configure and switch the proxy, and connect it to the containers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2, gather_all
from ftl.common.figures import count
from ftl.common.next_step import ftl
from ftl.deploy.apply.steps.catch_up import share_certificates
from ftl.deploy.apply.steps.images.bring import newest_image
from ftl.deploy.apply.steps.settling import (
    ExitWaiter,
    find_exit,
    find_failure,
    in_flight,
    is_settled,
    new_containers,
    restore,
    switch_back,
)
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    ConnectProxy,
    Drain,
    EnsureNetwork,
    EnsureProxy,
    PublishName,
    RemoveNetworks,
    RemoveRoutes,
    RemoveSite,
    RepairSwitch,
    Switch,
    UpgradeProxy,
)
from ftl.errors import EngineError, FtlError
from ftl.events import Note, Switched
from ftl.execution.runners import Decision, Runners
from ftl.proxy.drain import wait_drained
from ftl.proxy.live_state import at_server
from ftl.proxy.networks import ensure_project_network
from ftl.proxy.tls.issuance import likely_cause
from ftl.proxy.tls.policy import by_acme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.deploy.apply.context import DeployContext

RUNNERS: Runners[DeployContext] = Runners()

NETWORK_SECONDS = 30.0
"""Limit for a cluster's network to count as unused."""

_NETWORK_PAUSE = 0.5

CERTIFICATE_SECONDS = 20.0
"""Limit for certificates of new hosts. Let's Encrypt takes three to ten seconds."""


@RUNNERS.runs(EnsureNetwork)
async def ensure_network(context: DeployContext, step: EnsureNetwork) -> None:
    """Create the project's network; undoing removes it again if nothing is connected."""
    context.undo.add(step, lambda: _leave_network(context, step.name))
    await ensure_project_network(context.engine, step.project)


async def _leave_network(context: DeployContext, network: str) -> None:
    await context.proxy.disconnect(network)
    await context.engine.remove_network(network)


@RUNNERS.runs(EnsureProxy)
async def ensure_proxy(context: DeployContext, step: EnsureProxy) -> None:
    """Start the server's proxy."""
    await context.proxy.ensure(step.image)


@RUNNERS.runs(UpgradeProxy)
async def upgrade_proxy(context: DeployContext, step: UpgradeProxy) -> None:
    """Pull the current image, and replace a proxy that runs another."""
    await newest_image(context, step.image)
    if not await context.proxy.upgrade(step.image):
        context.emit(Note(f"the proxy already runs the current {step.image}: nothing to upgrade"))


@RUNNERS.runs(ConnectProxy)
async def connect_proxy(context: DeployContext, step: ConnectProxy) -> None:
    """Connect the proxy to the project's network."""
    await context.proxy.connect(step.network, step.aliases, step.without)


@RUNNERS.runs(ApplySite)
async def apply_site(context: DeployContext, step: ApplySite) -> None:
    """Configure the proxy for the project; undoing restores the site that it had.

    A proxy that is new to a cluster has its certificates before it gets requests, and asks no authority for those that
    others have: also the one that gets certificates, after its server was made anew.
    """
    before = None
    if context.undo.open:
        state = await context.proxy.observe()
        before = state.site(step.site.project) if state is not None else None
        project = step.site.project
        context.undo.add(
            step,
            lambda: (
                context.proxy.apply(before) if before is not None else context.proxy.remove_routes(project)
            ),
        )
    site = at_server(step.site, context.session.name, step.issuer) if step.issuer else step.site
    is_new = context.undo.open and before is None and site.place is not None
    if (is_new or not site.is_issuer) and by_acme([site]):
        await share_certificates(context, step.site.project)
    await context.proxy.apply(site, step.certificate, keeps=step.keeps)


@RUNNERS.runs(AwaitCertificates)
async def await_certificates(context: DeployContext, step: AwaitCertificates) -> None:
    """Wait for certificates of new hosts; a failure is a warning, since the release is live."""
    try:
        issuance = await context.proxy.wait_for_certificates(step.files, seconds=CERTIFICATE_SECONDS)
    except EngineError as error:
        text = "cannot tell whether there are certificates"
        context.emit(Note(f"{text}: {error.message}", "warning", hint=f"{ftl('doctor')} checks them"))
        return
    for host in step.domains:
        words = issuance.reason(host)
        if host in issuance.issued:
            continue
        if words:
            text = f"there is no certificate for {host} yet: {words}"
            context.emit(Note(text, "warning", hint=likely_cause(words)))
        else:
            text = f"there is no certificate for {host} yet: the authority has not answered yet"
            context.emit(
                Note(
                    text, hint=f"until then the site answers over HTTP only; {ftl('doctor')} shows the state"
                )
            )


@RUNNERS.runs(PublishName)
async def publish_name(context: DeployContext, step: PublishName) -> None:
    """Make the name of a service that never was live answer, before the release is decided."""
    context.undo.add(step, lambda: context.proxy.remove_routes(step.project, [step.service]))
    await context.proxy.switch(step.project, {step.service: step.alias})


@RUNNERS.runs(RepairSwitch)
async def repair_switch(context: DeployContext, step: RepairSwitch) -> None:
    """Write the live release again: it is true whether the deploy succeeds or not."""
    await context.proxy.switch(step.project, step.aliases)


@RUNNERS.runs(Switch)
async def switch(context: DeployContext, step: Switch) -> Decision:
    """Send new requests to the new release: this decides it, once its containers have settled."""
    new = await new_containers(context, step.project)
    unsettled = [container for container in new if not is_settled(context, container)]
    async with ExitWaiter(context, unsettled) as exits:
        # Hooks and other services take their time, and a container may have ended meanwhile.
        end, before = await gather2(
            find_exit(context.healthy, new), _live(context, step, needed=bool(unsettled))
        )
        if end is not None:
            raise await end.error()
        try:
            # Side by side; each tries, whether another fails or not.
            await gather_all(at.proxy.switch(step.project, step.aliases) for at in context.each(step.servers))
        except FtlError as error:
            return Decision(committed=not await _taken_back(context, step, before), error=error)
        context.switch.time = context.now
        if step.with_port and not step.replacements:
            context.emit(Switched(step.release, step.with_port))
        # The network of a cluster's containers is not reached from the server's own.
        again = {} if context.project.is_cluster else context.healthy
        try:
            failure = await exits.exit() or await find_failure(again, unsettled)
        except FtlError as error:  # out of reach: nothing could be undone
            return Decision(committed=True, error=error)
    if failure is None:
        return Decision(committed=True)
    restored = await switch_back(context, step, before, failure)
    return Decision(committed=not restored, error=await failure.error())


async def _taken_back(context: DeployContext, step: Switch, before: Mapping[str, Mapping[str, str]]) -> bool:
    """After a failure: whether no proxy sends requests to the new release.

    With several, those that did switch get their old names again, while the old containers still run.
    """
    if len(step.servers) < 2:  # the one that failed cannot be asked to do more
        return not await _has_switched(context, step)
    with suppress(FtlError):
        await restore(context, step, before)
    answers = [await _has_switched(at, step, unreachable=None) for at in context.each(step.servers)]
    context.switch.switched_back = False in answers and True not in answers
    return context.switch.switched_back


async def _live(context: DeployContext, step: Switch, *, needed: bool) -> dict[str, dict[str, str]]:
    """Server -> aliases that the services have now; a service without one has never answered."""
    if not needed and len(step.servers) < 2:
        return {}
    contexts = context.each(step.servers)
    states = await gather(at.proxy.observe() for at in contexts)
    return {
        at.session.name: {
            name: state.live[step.project, name]
            for name in step.aliases
            if state is not None and (step.project, name) in state.live
        }
        for at, state in zip(contexts, states, strict=True)
    }


async def _has_switched(
    context: DeployContext, step: Switch, *, unreachable: bool | None = True
) -> bool | None:
    """Whether a switch happened although its command failed.

    With the only proxy out of reach nothing could be undone, and the next deploy sees the true state.
    """
    try:
        state = await context.proxy.observe()
    except FtlError:
        return unreachable
    return state is not None and any(
        state.live.get((step.project, service)) == alias for service, alias in step.aliases.items()
    )


@RUNNERS.runs(Drain)
async def drain(context: DeployContext, step: Drain) -> None:
    """Wait until old containers have finished their requests."""
    left = await wait_drained(
        lambda: in_flight(context, step.servers),
        step.addresses,
        step.timeout,
        context.emit,
        service=step.service,
        switched_ago=max(0.0, context.now - context.switch.time) if context.switch.time else 0.0,
    )
    if left:
        still_open = f"{count(sum(left.values()), 'request')} still open after {step.timeout:g} s"
        hint = "`drain_timeout` gives them longer"
        context.emit(Note(f"{step.service}: {still_open}; they end now", hint=hint))


@RUNNERS.runs(RemoveRoutes)
async def remove_routes(context: DeployContext, step: RemoveRoutes) -> None:
    """Remove services that are no longer in the project."""
    await context.proxy.remove_routes(step.project, step.services)


@RUNNERS.runs(RemoveSite)
async def remove_site(context: DeployContext, step: RemoveSite) -> None:
    """Remove the whole project."""
    await context.proxy.remove_routes(step.project)
    await context.proxy.remove_shared_certificates(step.project)


@RUNNERS.runs(RemoveNetworks)
async def remove_networks(context: DeployContext, step: RemoveNetworks) -> None:
    """Remove networks, which nothing uses any more."""
    await gather(_remove_network(context, network) for network in step.networks)


async def _remove_network(context: DeployContext, network: str) -> None:
    """Remove a network.

    In a cluster, managers hear a little later that the last container has left it; of a server that is down, never.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + NETWORK_SECONDS
    while True:
        try:
            await context.engine.remove_network(network)
        except EngineError as error:
            used = any(words in (error.cause or "") for words in ("in use", "active endpoints"))
            if not context.observed.is_cluster or not used:
                raise
            if clock() >= until:
                context.emit(Note(f"the network {network} was not removed: {error.cause}", "warning"))
                return
        else:
            return
        await asyncio.sleep(_NETWORK_PAUSE)
