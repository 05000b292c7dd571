"""How a plan's images come to the server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.deploy.apply.context import Traffic
from ftl.deploy.apply.external_images import digest_of, noted
from ftl.errors import EngineError, EngineUnavailable, FtlError, TransferFailed
from ftl.events import Note
from ftl.image.registry.push_pull import pull, push
from ftl.image.transfer import send, send_many, warm_blob_cache
from ftl.references import repository

if TYPE_CHECKING:
    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.steps import BringImage, DropTags, PushPull, SendImages, TagPulled
    from ftl.engine import Engine
    from ftl.image.transfer import TransferResult

PULL_START_SECONDS = 15.0
"""When this machine has the image, the server must begin to receive it within so long, or it is sent from here."""


async def send_images(work: Work, step: SendImages) -> None:
    """Send built images; on this machine's own engine there is nothing to send, only to name."""
    here = await work.here()
    for image in step.images:
        await here.tag(image.local, image.tag)
    sent: dict[str, TransferResult] = {}
    if not work.project.server.is_local:
        pairs = {image.tag: image.local for image in step.images}
        sent = await send_many(
            here,
            pairs,
            work.engine,
            info=work.info,
            emit=work.emit,
            machine=work.machine,
            loaded_by_ftl=step.brought,
            lock=work.project.name,
        )
        for image in step.images:
            work.traffic[image.service] = Traffic.of(sent[image.tag])
        work.beside(warm_blob_cache(here, [image.local for image in step.images]))
    for image in step.images:
        there = await noted(work, image.service, image.tag)
        if image.tag in sent and (sent[image.tag].loaded or step.brought.get(there.id)):
            work.layers[image.service] = there.layers


async def push_pull(work: Work, step: PushPull) -> None:
    """Push a built image to the registry the user named, and let the server pull exactly what was pushed."""
    here = await work.here()
    await here.tag(step.local, step.reference)
    pushed = await push(here, step.reference, work.keyring, emit=work.emit)
    await pull(work.engine, pushed, work.keyring, platform=step.platform, emit=work.emit)
    await work.engine.tag(pushed, step.tag)
    work.pulled[step.service] = pushed
    await noted(work, step.service, step.tag)


async def tag_pulled(work: Work, step: TagPulled) -> None:
    """Give an image that an earlier release pulled the name of the new one."""
    await work.engine.tag(step.pulled, step.tag)
    work.pulled[step.service] = step.pulled
    await noted(work, step.service, step.tag)


async def bring_image(work: Work, step: BringImage) -> None:
    """Get an image that FTL did not build onto the server."""
    await _bring(work, step.reference, step.platform)


async def _bring(work: Work, reference: str, platform: str) -> None:
    """Have an image pulled by the server, else send it from here."""
    here = await _engine_with(work, reference)
    try:
        await pull(
            work.engine,
            reference,
            work.keyring,
            platform=platform,
            emit=work.emit,
            patience=PULL_START_SECONDS if here else None,
        )
    except FtlError as error:
        if here is None:
            raise TransferFailed(
                f"the server cannot pull {reference}, and this machine does not have it",
                cause=f"{error.message}: {error.cause}" if error.cause else error.message,
                hint=error.hint
                or f"`docker pull {reference}` here, and deploy again: FTL then sends it over SSH",
            ) from error
        work.emit(Note(f"the server cannot pull {reference}: sending it from here"))
        work.sent[reference] = await send(
            here,
            reference,
            work.engine,
            tag=reference,
            info=work.info,
            emit=work.emit,
            machine=work.machine,
        )
    else:
        work.fetched.add(reference)
        if work.info.store == "containerd":
            await _name_by_digest(work, reference, platform)


async def _name_by_digest(work: Work, reference: str, platform: str) -> None:
    """Have the containerd store keep what was pulled when its tag moves, as other stores do by themselves.

    The layers are there: the registry is asked for no more than the manifest. Before Docker 27 the store forgets an
    image whose tag a pull moves, since then it keeps it without its name.
    """
    image = await work.engine.image(reference)
    digest = digest_of(reference, image.digests) if image is not None and "@" not in reference else ""
    if digest:
        exact = f"{repository(reference)}@{digest}"
        with suppress(TransferFailed):  # the image is there; it is only not held
            await pull(work.engine, exact, work.keyring, platform=platform, emit=work.emit)


async def newest_image(work: Work, reference: str) -> None:
    """Have the server pull what a name stands for now; what it has already does where it cannot."""
    if await work.engine.image(reference) is None:
        await _bring(work, reference, work.info.platform)
        return
    try:
        await pull(
            work.engine,
            reference,
            work.keyring,
            platform=work.info.platform,
            emit=work.emit,
            patience=PULL_START_SECONDS,
        )
    except TransferFailed as error:
        text = f"the server cannot pull {reference}, and uses what it has"
        work.emit(Note(f"{text}: {error.cause or error.message}"))


async def drop_tags(work: Work, step: DropTags) -> None:
    """Untag old releases' images, on the server and where they were sent from; a failure costs room, no release."""
    for tag in step.tags:
        try:
            await _untag_there(work.engine, tag)
            if not work.project.server.is_local:
                await (await work.here()).untag(tag)
        except EngineError as error:
            work.emit(
                Note(f"the image {tag} could not be removed: {error.cause or error.message}", "warning")
            )


async def _untag_there(engine: Engine, tag: str) -> None:
    """Untag, and when that was the last tag drop the digests too: an image that was pulled by its digest stays else."""
    image = await engine.image(tag)
    await engine.untag(tag)
    if image is not None and set(image.tags) <= {tag}:
        for digest in image.digests:
            await engine.untag(digest)


async def _engine_with(work: Work, reference: str) -> Engine | None:
    """This machine's engine if it has the image, and is not the server's."""
    if work.project.server.is_local:
        return None
    try:
        here = await work.here()
        return here if await here.image(reference) is not None else None
    except EngineUnavailable:
        return None
