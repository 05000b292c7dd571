"""Runners that bring images to the server: sent, pulled, or there and only tagged."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.references import repository
from ftl.deploy.apply.context import ResolvedImage, TransferTotals
from ftl.deploy.apply.steps.images.ownership import is_built_by_ftl, mark, mark_brought
from ftl.deploy.apply.steps.resolve import external_image, image_on_server
from ftl.deploy.plan.pins import digest_of
from ftl.deploy.plan.steps.images import BringImage, PushPull, SendImages, TagPulled
from ftl.errors import EngineUnavailable, FtlError, TransferFailed
from ftl.events import Note, PullProgress
from ftl.execution.runners import Runners
from ftl.image.identity import content_id
from ftl.image.registry.push_pull import pull, push
from ftl.image.transfer import Urgency, warm_blob_cache
from ftl.releases.record import loaded_by_ftl, pull_references

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine
    from ftl.events import Emit, Event
    from ftl.image.transfer import TransferQueue, TransferResult

RUNNERS: Runners[DeployContext] = Runners()

PULL_START_SECONDS = 15.0
"""Limit for a pull to begin where this machine has the image; then it is sent from here."""

GATHER_SECONDS = 1.0
"""Time to wait for pulls that have not begun.

Images whose pulls fail travel together with those that must be sent. A registry that answers within this time, and a
server that finds none, decide it earlier.
"""


@RUNNERS.runs(SendImages)
async def send_images(context: DeployContext, step: SendImages) -> None:
    """Send built images; on the machine that built them there is nothing to send, only to tag.

    Here they get the tags, too, for a rollback to what the server has lost. Not on other builders, where nothing would
    remove them.
    """
    place = step.built_on
    source = await context.clients.engine_of(place)
    is_there = source is context.engine if place else context.project.server.is_local
    transfers = None
    if not is_there:
        transfers = await context.clients.transfers(context.session, context.emit, source)
    with transfers.expect() if transfers is not None else nullcontext():
        if is_there or not place:
            await gather(source.tag(image.local, image.tag) for image in step.images)
    results: dict[str, TransferResult] = {}
    if transfers is not None:
        images = {image.tag: image.local for image in step.images}
        results = await transfers.send(
            images, server=context.session.name, loaded_by_ftl=step.brought, patience=GATHER_SECONDS
        )
        context.count(results.values())
        if not place:
            context.clients.background(
                warm_blob_cache(source, list(dict.fromkeys(image.local for image in step.images)))
            )
    tags = {image.local: image.tag for image in step.images}  # services with equal builds share an image
    found = dict(zip(tags, await gather(image_on_server(context, tag) for tag in tags.values()), strict=True))
    for image in step.images:
        remote = found[image.local]
        result = results.get(image.tag)
        ours = result is not None and (result.loaded or step.brought.get(remote.id))
        context.images[image.service] = ResolvedImage(
            image.tag,
            remote.id,
            layers=remote.layers if ours else (),
            transfer=_sent_before(context, step, image.service)
            + (TransferTotals() if result is None else TransferTotals.of(result)),
        )


def _sent_before(context: DeployContext, step: SendImages, service: str) -> TransferTotals:
    """Totals of the same image to other servers."""
    known = context.images.get(service)
    return known.transfer if known is not None and len(step.servers) > 1 else TransferTotals()


@RUNNERS.runs(PushPull)
async def push_pull(context: DeployContext, step: PushPull) -> None:
    """Push a built image to the user's registry; have the server pull it from there.

    The machine that pushes keeps it under the release's tag, and with a mark for the name that it was pushed by: both
    go with the release. Not other builders, where nothing would remove them.
    """
    source = await context.clients.engine_of(step.built_on)
    await source.tag(step.local, step.reference)
    if not step.built_on or source is context.engine:
        await source.tag(step.local, step.tag)
        if (image := await source.image(step.local)) is not None:
            await mark(context, source, step.reference, image)
    pushed = await push(source, step.reference, context.clients.logins.keyring, emit=context.emit)
    await _pull(context, pushed, step.platform)
    await context.engine.tag(pushed, step.tag)
    image = await image_on_server(context, step.tag)
    context.images[step.service] = ResolvedImage(step.tag, image.id, pulled=pushed)


@RUNNERS.runs(TagPulled)
async def tag_pulled(context: DeployContext, step: TagPulled) -> None:
    """Give an image of an earlier release the tag of the new one."""
    await context.engine.tag(step.pulled, step.tag)
    image = await image_on_server(context, step.tag)
    releases = context.observed.releases
    pulled = step.pulled if "@" in step.pulled else pull_references(releases).get(image.id, "")
    layers = image.layers if loaded_by_ftl(releases).get(image.id) else ()
    context.images[step.service] = ResolvedImage(step.tag, image.id, pulled=pulled, layers=layers)


@RUNNERS.runs(BringImage)
async def bring_image(context: DeployContext, step: BringImage) -> None:
    """Get an image that FTL did not build onto the server.

    A failure about one for messages is only a note.
    """
    try:
        await _bring_marked(context, step)
    except FtlError as error:
        if not step.sends:
            raise
        because = f" ({error.cause})" if error.cause else ""
        context.emit(
            Note(
                f"the server may send no messages through apprise: {error.message}{because}",
                "warning",
                hint=error.hint,
            )
        )


async def _bring_marked(context: DeployContext, step: BringImage) -> None:
    # Since the plan was made, another project may have brought it, or somebody by hand.
    marked = step.sends or bool(step.owners)
    before = await context.engine.image(step.reference) if marked else None
    result = await _bring(context, step.reference, step.platform, _urgency(context, step))
    if not marked:
        return
    image = await image_on_server(context, step.reference)
    await mark_brought(context, step.reference, image, known=before is not None)
    if result is None:
        resolved = external_image(context, step.reference, image, recorded=None)
    else:
        layers = image.layers if result.loaded else ()
        resolved = ResolvedImage(
            step.reference,
            image.id,
            layers=layers,
            declared_volumes=image.declared_volumes,
            transfer=TransferTotals.of(result),
        )
    for owner in step.owners:
        context.images[owner] = resolved
        # It was brought once: those that share it have its layers already.
        layers_sent, layers_reused = resolved.transfer.layers_sent, resolved.transfer.layers_reused
        resolved = replace(resolved, transfer=TransferTotals(layers_reused=layers_sent + layers_reused))


def _urgency(context: DeployContext, step: BringImage) -> Urgency:
    if not step.owners and not step.sends:
        return Urgency.PROXY
    dependencies = {dependency.name for dependency in context.project.dependencies}
    return Urgency.SERVICE if dependencies.isdisjoint(step.owners) else Urgency.DEPENDENCY


async def _bring(
    context: DeployContext, reference: str, platform: str, urgency: Urgency
) -> TransferResult | None:
    """Have an image pulled by the server, else send it from here.

    Returns:
        The transfer; None where the server pulled.
    """
    source = await _source_of_built(context, reference)
    if source is not None:
        queue = await context.clients.transfers(context.session, context.emit, source)
        return await _send(context, queue, reference, urgency)
    transfers = await _transfers(context)
    with transfers.expect() if transfers is not None else nullcontext() as expected:

        def report(event: Event) -> None:
            context.emit(event)
            if expected is not None and isinstance(event, PullProgress):  # the registry has answered
                expected.end()

        # Only a pull gives an engine an image by its digest.
        by_digest = "@" in reference
        local = None if by_digest else await _engine_with(context, reference)
        try:
            await _pull(context, reference, platform, report, PULL_START_SECONDS if local else None)
        except FtlError as error:
            if local is None or transfers is None or expected is None:
                only = (
                    "its digest names it in its registry alone"
                    if by_digest
                    else "this machine does not have it"
                )
                hint = f"`docker pull {reference}` here, and deploy again: FTL then sends it over SSH"
                raise TransferFailed(
                    f"the server cannot pull {reference}, and {only}",
                    cause=error.summary,
                    hint=error.hint or (None if by_digest else hint),
                ) from error
            context.emit(Note(f"the server cannot pull {reference}: sending it from here"))
            expected.end()  # in this moment it joins the others that wait
            return await _send(context, transfers, reference, urgency)
    if context.info.store == "containerd":
        await _name_by_digest(context, reference, platform)
    return None


async def _pull(
    context: DeployContext,
    reference: str,
    platform: str,
    emit: Emit | None = None,
    seconds: float | None = None,
) -> None:
    """Have the server pull an image; the registry has to answer within some seconds, if any are given."""
    await pull(
        context.engine,
        reference,
        context.clients.logins,
        context.machine,
        platform=platform,
        emit=emit or context.emit,
        start_seconds=seconds,
    )


async def _send(
    context: DeployContext, queue: TransferQueue, reference: str, urgency: Urgency
) -> TransferResult:
    """Send an image from the engine of a queue, under its own name."""
    server = context.session.name
    results = await queue.send(
        {reference: reference}, server=server, patience=GATHER_SECONDS, urgency=urgency
    )
    context.count(results.values())
    return results[reference]


async def _source_of_built(context: DeployContext, reference: str) -> Engine | None:
    """The engine that has an image that FTL built, of a dependency or service of this project: no registry has it.

    A server of a cluster that was away, or joined since, lacks the image of an earlier release; another server may be
    the only machine that has it. This machine's image of that name may be another: a project that was removed and
    deployed anew counts its releases from r1 again.
    """
    if not is_built_by_ftl(context, reference):
        return None
    local = await _engine_with(context, reference)
    sessions = [*context.fleet, *context.clients.builders.values()]
    engines: dict[Engine, None] = dict.fromkeys(session.engine for session in sessions)
    for engine in engines:
        image = await engine.image(reference) if engine is not context.engine else None
        if image is not None:
            own = await local.image(reference) if local is not None else None
            return local if own is not None and content_id(own) == content_id(image) else engine
    return local


async def _name_by_digest(context: DeployContext, reference: str, platform: str) -> None:
    """Have the containerd store keep a pulled image when its tag moves, as other stores do by themselves.

    The layers are there: the registry is asked for no more than the manifest. Before Docker 27 the store forgets an
    image whose tag a pull moves, since then it keeps it without its name.
    """
    image = await context.engine.image(reference)
    digest = digest_of(reference, image.digests) if image is not None and "@" not in reference else ""
    if digest:
        pinned = f"{repository(reference)}@{digest}"
        with suppress(TransferFailed):  # the image is there; it is only not kept
            await _pull(context, pinned, platform)


async def newest_image(context: DeployContext, reference: str) -> None:
    """Pull the current image of a name; where that fails, the one on the server will do."""
    if await context.engine.image(reference) is None:
        await _bring(context, reference, context.info.platform, Urgency.PROXY)
        return
    try:
        await _pull(context, reference, context.info.platform, seconds=PULL_START_SECONDS)
    except TransferFailed as error:
        text = f"the server cannot pull {reference}, and uses the image that it has"
        context.emit(Note(f"{text}: {error.cause or error.message}"))


async def _transfers(context: DeployContext) -> TransferQueue | None:
    """The queue of images that are sent from this machine; None where it has no engine, or the server's."""
    if context.project.server.is_local:
        return None
    try:
        return await context.clients.transfers(context.session, context.emit)
    except EngineUnavailable:
        return None


async def _engine_with(context: DeployContext, reference: str) -> Engine | None:
    """This machine's engine if it has the image, and is not the server's."""
    if context.project.server.is_local:
        return None
    try:
        local = await context.clients.local_engine()
        return local if await local.image(reference) is not None else None
    except EngineUnavailable:
        return None
