"""Staging tags for loaded images, which are verified and only then get their real tags.

A load can fail and say so, or fail and claim success: engines from 27.2 on, with the containerd store, move
the tag before they unpack and report errors as an ordinary line. So nothing is loaded under a tag
that a container may be started from.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather2, gather_all, shielded
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import EngineError, EngineUnavailable, ServerError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image

_REPOSITORY = "ftl-incoming"

_STAGING_TAG = re.compile(rf"{_REPOSITORY}:(?P<begun>[0-9]+)-[0-9a-f]+-(?P<lock>[0-9a-f]{{8}})-[0-9]+")

_STALE_SECONDS = 24 * 3600
"""Age after which no transfer uses a staging tag any more: the process that made it was killed."""

_CLEANUP_SECONDS = 10.0
"""Limit for removing staging tags after a failure or Ctrl-C."""

_UNREACHABLE = (EngineError, ServerError)
"""Errors of cleanup when the engine or the connection is gone. The error that led to the cleanup is more useful."""


class VerificationFailed(Exception):
    """The loaded image differs from the one sent; retry with all layers."""


class StagedImages:
    """Staging tags for images on one engine: their names include the time and the caller's lock.

    `now` is Unix time by the server's clock: other machines, with other clocks, judge by it how old the tags are.
    """

    def __init__(self, engine: Engine, count: int, now: float, lock: str = "") -> None:
        self._engine = engine
        self.tags = staging_tags(count, now, lock)
        self._containers: set[str] = set()

    def on(self, engine: Engine) -> StagedImages:
        """Stage the images under these tags on another engine."""
        other = StagedImages(engine, 0, 0)
        other.tags = self.tags
        return other

    async def verify_and_publish(
        self, ids: Mapping[str, str], layers: Mapping[str, Sequence[str]], names: Mapping[str, str]
    ) -> None:
        """Verify the loaded images, and give them their real tags; see `verify` and `publish`."""
        await self.verify(ids, layers)
        await self.publish(names)

    async def verify(self, ids: Mapping[str, str], layers: Mapping[str, Sequence[str]]) -> None:
        """Verify that each tag is the image that was sent and that a container can be created of it.

        By tag, `ids` are image IDs and `layers` diffIDs.

        Raises:
            VerificationFailed: It is not.
            EngineUnavailable: The engine does not answer.
        """
        await gather_all(
            [
                self._verify_listed(),
                *(self._verify(tag, image_id, tuple(layers[tag])) for tag, image_id in ids.items()),
            ]
        )

    async def _verify_listed(self) -> None:
        """Verify that the images are complete.

        The containerd store creates containers of an image whose layers' blobs are gone, as long as their unpacked
        files are there from another image; but it does not list it, and cannot save it (seen on 26.1.5).
        """
        listed = {tag for image in await self._engine.images() for tag in image.tags}
        if not listed.issuperset(self.tags):
            raise VerificationFailed("the engine does not list the image: it lacks the content of a layer")

    async def _verify(self, tag: str, image_id: str, layers: tuple[str, ...]) -> None:
        image, refusal = await gather2(self._engine.image(tag), self._container_refusal(tag))
        if image is None:
            raise VerificationFailed("the image is missing after it was loaded")
        if image.id != image_id:
            raise VerificationFailed(f"the image loaded is {image.id} instead of {image_id}")
        if image.layers != layers:
            raise VerificationFailed("the image loaded has other layers")
        if refusal is not None:
            cause = refusal.cause or refusal.message
            raise VerificationFailed(f"no container can be created from it: {cause}") from refusal

    async def _container_refusal(self, tag: str) -> EngineError | None:
        """The engine's error when it creates a container, which mounts every layer; it is never started."""
        try:
            await self._create_container(tag)
        except EngineUnavailable:
            raise
        except EngineError as error:
            return error
        return None

    async def _create_container(self, tag: str) -> None:
        name = _container_name(tag)
        spec = ContainerSpec(
            image=tag, labels={labels.ROLE: labels.ROLE_TRANSFER}, command=("true",), restart="no"
        )
        self._containers.add(name)
        await shielded(self._engine.create(name, spec))  # or it may be created after the cleanup

    async def publish(self, names: Mapping[str, str]) -> None:
        """Give the images their real tags (by staging tag), and remove the containers in parallel."""
        tagging = [self._engine.tag(staging, name) for staging, name in names.items()]
        await gather2(gather_all(tagging), self._remove_own_containers())

    async def discard(self) -> None:
        """Remove the staging tags, and images without another tag; also while being cancelled."""
        await _cleanup(self._discard())

    async def _discard(self) -> None:
        with suppress(*_UNREACHABLE):
            await _remove_containers(self._engine, self._containers)  # first: they keep their image
        await remove_tags(self._engine, self.tags)

    async def _remove_own_containers(self) -> None:
        await _cleanup(_remove_containers(self._engine, frozenset(self._containers)))
        self._containers.clear()


def staging_tags(count: int, now: float, lock: str = "") -> tuple[str, ...]:
    """New staging tags; see `StagedImages`.

    What has one as its name is removed as they are, if it stays behind.
    """
    prefix = f"{int(now)}-{secrets.token_hex(4)}-{_lock_hash(lock)}"
    return tuple(f"{_REPOSITORY}:{prefix}-{number}" for number in range(count))


def stale_tags(images: Iterable[Image], lock: str, now: float) -> list[str]:
    """Staging tags that killed transfers have left behind.

    After a day, no transfer is running any more. Under a lock that the caller holds none is, however young the tag.

    `now` is Unix time by the server's clock.
    """
    own = _lock_hash(lock) if lock else None
    matches = ((tag, _STAGING_TAG.fullmatch(tag)) for image in images for tag in image.tags)
    return [
        tag
        for tag, match in matches
        if match and (abs(now - int(match["begun"])) > _STALE_SECONDS or match["lock"] == own)
    ]


def is_temporary(tag: str) -> bool:
    """Whether a tag is a staging tag."""
    return tag.startswith(f"{_REPOSITORY}:")


def _lock_hash(lock: str) -> str:
    """A lock's name in a form that fits in a tag."""
    return hashlib.sha256(lock.encode()).hexdigest()[:8]


async def _remove_containers(engine: Engine, names: Iterable[str]) -> None:
    await gather_all(engine.remove(name, force=True) for name in names)


async def remove_stale(engine: Engine, tags: Iterable[str]) -> None:
    """Remove stale staging tags, and the containers of their verification."""
    names = list(tags)
    if names:
        await _cleanup(_remove_stale(engine, names))


async def _remove_stale(engine: Engine, tags: Sequence[str]) -> None:
    await _remove_containers(engine, map(_container_name, tags))
    await remove_tags(engine, tags)


async def remove_tags(engine: Engine, tags: Iterable[str]) -> None:
    """Remove tags as far as possible: the rest will be stale some day."""
    for tag in tags:
        with suppress(*_UNREACHABLE):
            await engine.untag(tag)


def _container_name(tag: str) -> str:
    """The name of the container that verifies an image."""
    return tag.replace(":", "-")


async def _cleanup(work: Coroutine[None, None, None]) -> None:
    """Finish a cleanup, within bounds, even if the current task is being cancelled."""
    await shielded(_bounded(work))


async def _bounded(work: Coroutine[None, None, None]) -> None:
    with suppress(TimeoutError, *_UNREACHABLE):
        await asyncio.wait_for(work, _CLEANUP_SECONDS)
