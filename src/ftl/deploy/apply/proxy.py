"""How a plan's steps reach the proxy, and the network between it and the containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.deploy.apply.images import newest_image
from ftl.engine import labels
from ftl.errors import EngineError, FtlError
from ftl.events import Note, Switched
from ftl.health.diagnosis import Ended, ended, explain
from ftl.proxy import drained, ensure_project_network, likely_cause

if TYPE_CHECKING:
    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.steps import (
        ApplySite,
        Attach,
        AwaitCertificates,
        Drain,
        EnsureNetwork,
        EnsureProxy,
        Forget,
        OpenName,
        PointAgain,
        Switch,
        UpgradeProxy,
    )

CERTIFICATE_SECONDS = 20.0
"""How long a deploy waits for certificates of new hosts. Let's Encrypt takes three to ten seconds."""


async def ensure_network(work: Work, step: EnsureNetwork) -> None:
    """The project's private network; where the release does not come to be it goes again, if nobody is in it."""
    work.on_failure(step, lambda: _leave_network(work, step.name))
    await ensure_project_network(work.engine, step.project)


async def _leave_network(work: Work, network: str) -> None:
    await work.proxy.detach(network)
    await work.engine.remove_network(network)


async def ensure_proxy(work: Work, step: EnsureProxy) -> None:
    """The server's proxy, running."""
    await work.proxy.ensure(step.image)


async def upgrade_proxy(work: Work, step: UpgradeProxy) -> None:
    """The newest image, and a proxy that runs it."""
    await newest_image(work, step.image)
    if not await work.proxy.upgrade(step.image):
        work.emit(Note(f"the proxy is {step.image} as it is now: left as it is"))


async def attach(work: Work, step: Attach) -> None:
    """The proxy in the project's network."""
    await work.proxy.attach(step.network, step.aliases)


async def apply_site(work: Work, step: ApplySite) -> None:
    """Tell the proxy about the project; before the release is decided, what it knew is put back on failure."""
    if not work.committed:
        state = await work.proxy.observe()
        before = state.site(step.site.project) if state is not None else None
        project = step.site.project
        work.on_failure(
            step, lambda: work.proxy.apply(before) if before is not None else work.proxy.forget(project)
        )
    await work.proxy.apply(step.site, step.certificate)


async def await_certificates(work: Work, step: AwaitCertificates) -> None:
    """Wait for certificates of new hosts, within bounds; what goes wrong is a warning: the release is live."""
    try:
        found = await work.proxy.issuance(step.files, seconds=CERTIFICATE_SECONDS)
    except EngineError as error:
        text = "it could not be seen whether there are certificates"
        work.emit(Note(f"{text}: {error.message}", "warning", hint="`ftl doctor` looks at them"))
        return
    for host in step.hosts:
        words = found.words(host)
        if host in found.issued:
            continue
        if words:
            text = f"there is no certificate for {host} yet: {words}"
            work.emit(Note(text, "warning", hint=likely_cause(words)))
        else:
            text = f"there is no certificate for {host} yet: the authority is still at work"
            work.emit(Note(text, hint="until then HTTP answers; `ftl doctor` tells how it stands"))


async def open_name(work: Work, step: OpenName) -> None:
    """Let a service that never was live answer by its name, before the others are decided."""
    work.on_failure(step, lambda: work.proxy.forget(step.project, [step.service]))
    await work.proxy.switch(step.project, {step.service: step.alias})


async def point_again(work: Work, step: PointAgain) -> None:
    """Write what the proxy should have known: true whether the deploy comes to its end or not."""
    await work.proxy.switch(step.project, step.aliases)


async def switch(work: Work, step: Switch) -> None:
    """Send new requests to the new release: from here on the release is decided."""
    await _refuse_ended(work, step)
    try:
        await work.proxy.switch(step.project, step.aliases)
    except FtlError:
        work.committed = await _has_switched(work, step)
        raise
    work.committed = True
    work.emit(Switched(step.release, tuple(sorted(step.aliases))))


async def _refuse_ended(work: Work, step: Switch) -> None:
    """Hooks take their time: what was healthy before them must still run, and must have run all along."""
    marks = {labels.PROJECT: step.project, labels.RELEASE: step.release, labels.ROLE: labels.ROLE_SERVICE}
    new = await work.engine.containers(labels=marks)
    states = await gather(work.engine.container(one.id) for one in new)
    for one, state in zip(new, states, strict=True):
        if ended(state):
            raise await explain(work.engine, work.machine, one.labels[labels.SERVICE], one.name, Ended())


async def _has_switched(work: Work, step: Switch) -> bool:
    """Whether a switch of which we got no clear answer happened all the same."""
    try:
        state = await work.proxy.observe()
    except FtlError:
        return True  # out of reach: nothing could be taken back, and the next deploy sees what is true
    return state is not None and any(
        state.live.get((step.project, service)) == alias for service, alias in step.aliases.items()
    )


async def drain(work: Work, step: Drain) -> None:
    """Let old containers finish."""
    left = await drained(work.proxy.in_flight, step.addresses, step.timeout, work.emit, service=step.service)
    if left:
        count = sum(left.values())
        requests = "request" if count == 1 else "requests"
        work.emit(
            Note(
                f"{step.service}: {count} {requests} still open after {step.timeout:g} s; they end now",
                hint="`drain_timeout` gives them longer",
            )
        )


async def forget(work: Work, step: Forget) -> None:
    """Drop the live files of services that are gone."""
    await work.proxy.forget(step.project, step.services)
