"""Images that have just been loaded, under temporary tags: verified, and only then given their names.

A load can fail and say so, or fail and claim success: engines from 27.2 on, with the containerd store, move
the tag before they unpack and report what went wrong as an ordinary line. So nothing is loaded under the
name that something may be started from.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather2, gather_all, shielded
from ftl.engine import labels
from ftl.engine.values import ContainerSpec, Image
from ftl.errors import EngineError, EngineUnavailable, ServerError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from ftl.engine.api import Engine

_REPOSITORY = "ftl-incoming"

_TEMPORARY = re.compile(rf"{_REPOSITORY}:(?P<begun>[0-9]+)-[0-9a-f]+-(?P<mark>[0-9a-f]{{8}})-[0-9]+")

_STALE = 24 * 3600
"""Seconds after which a temporary tag has no transfer any more: whoever made it was killed."""

_CLEANUP = 10.0
"""Seconds for taking temporary tags away after a failure or Ctrl-C."""

_GONE = (EngineError, ServerError)
"""What cleaning up ends with where the engine or the connection is gone: whoever cleans up has the better error."""


class VerificationFailed(Exception):
    """The engine has not made of the archive what we meant; a whole one may do."""


class StagedImages:
    """Temporary tags for so many images on one engine: they tell when they were made and under which lock.

    Args:
        engine: The engine.
        count: How many.
        lock: The name of the lock that is held; empty for none.
    """

    def __init__(self, engine: Engine, count: int, lock: str = "") -> None:
        self._engine = engine
        run = f"{int(time.time())}-{secrets.token_hex(4)}-{_mark(lock)}"
        self.tags = tuple(f"{_REPOSITORY}:{run}-{number}" for number in range(count))
        self._tried: set[str] = set()

    async def verify(self, ids: Mapping[str, str], layers: Mapping[str, Sequence[str]]) -> None:
        """See that each tag is the image that was sent and that a container can be made of it.

        Args:
            ids: Tag -> image ID.
            layers: Tag -> diffIDs.

        Raises:
            Doubt: It is not.
            EngineUnavailable: The engine is gone.
        """
        await gather_all(
            [
                self._see_listed(),
                *(self._verify(tag, image_id, tuple(layers[tag])) for tag, image_id in ids.items()),
            ]
        )

    async def _see_listed(self) -> None:
        """See that the images are whole.

        The containerd store makes containers of an image whose layers' blobs are gone, as long as their unpacked
        files are there from another image; but it does not list it, and cannot save it (seen on 26.1.5).
        """
        listed = {tag for image in await self._engine.images() for tag in image.tags}
        if not listed.issuperset(self.tags):
            raise VerificationFailed("the engine does not list the image: it lacks the content of a layer")

    async def _verify(self, tag: str, image_id: str, layers: tuple[str, ...]) -> None:
        image = await self._engine.image(tag)
        if image is None:
            raise VerificationFailed("the image is not there after it was loaded")
        if image.id != image_id:
            raise VerificationFailed(f"the image loaded is {image.id} instead of {image_id}")
        if image.layers != layers:
            raise VerificationFailed("the image loaded has other layers")
        try:
            await self._try_out(tag)
        except EngineUnavailable:
            raise
        except EngineError as error:
            raise VerificationFailed(
                f"no container can be made of it: {error.cause or error.message}"
            ) from error

    async def _try_out(self, tag: str) -> None:
        """Make a container, which mounts every layer; it is never started."""
        name = _container(tag)
        spec = ContainerSpec(
            image=tag, labels={labels.ROLE: labels.ROLE_TRANSFER}, command=("true",), restart="no"
        )
        self._tried.add(name)
        await shielded(self._engine.create(name, spec))  # or it is made once nobody removes it any more

    async def settle(self, names: Mapping[str, str]) -> None:
        """Give the images their names: temporary tag -> name. What they were tried with goes at the same time."""
        tagging = [self._engine.tag(temporary, name) for temporary, name in names.items()]
        await gather2(gather_all(tagging), self._clear())

    async def discard(self) -> None:
        """Take the temporary tags away, and the images that got no other; also while being cancelled."""
        await _shielded(self._discard())

    async def _discard(self) -> None:
        with suppress(*_GONE):
            await _removed(self._engine, self._tried)  # an image that has a container is not removed
        await remove_tags(self._engine, self.tags)

    async def _clear(self) -> None:
        """Remove the containers that were made to try the images out."""
        await _shielded(_removed(self._engine, frozenset(self._tried)))
        self._tried.clear()


def stale_tags(images: Iterable[Image], lock: str, now: float) -> list[str]:
    """The temporary tags that transfers which were killed have left behind.

    After a day, no transfer is under way any more. Those under a lock that is held by us are none, however young.

    Args:
        images: The images there.
        lock: The name of the lock that is held; empty for none.
        now: Seconds since the epoch.
    """
    ours = _mark(lock) if lock else None
    made = ((tag, _TEMPORARY.fullmatch(tag)) for image in images for tag in image.tags)
    return [tag for tag, of in made if of and (now - int(of["begun"]) > _STALE or of["mark"] == ours)]


def is_temporary(tag: str) -> bool:
    """Whether a tag is one of a transfer's."""
    return tag.startswith(f"{_REPOSITORY}:")


def _mark(lock: str) -> str:
    """A lock's sign in a temporary tag, in which its name may not fit."""
    return hashlib.sha256(lock.encode()).hexdigest()[:8]


async def _removed(engine: Engine, containers: Iterable[str]) -> None:
    await gather_all(engine.remove(name, force=True) for name in containers)


async def remove_stale(engine: Engine, tags: Iterable[str]) -> None:
    """Take away what killed transfers have left under these temporary tags."""
    names = list(tags)
    if names:
        await _shielded(_swept(engine, names))


async def _swept(engine: Engine, names: Sequence[str]) -> None:
    await _removed(engine, map(_container, names))
    await remove_tags(engine, names)


async def remove_tags(engine: Engine, tags: Iterable[str]) -> None:
    """Take tags away as far as it goes: what is left is stale some day."""
    for tag in tags:
        with suppress(*_GONE):
            await engine.untag(tag)


def _container(tag: str) -> str:
    """The name of the container that tries an image out."""
    return tag.replace(":", "-")


async def _shielded(work: Coroutine[None, None, None]) -> None:
    """Finish a piece of cleaning up, within bounds, although the task it runs in may be on its way out."""
    await shielded(_bounded(work))


async def _bounded(work: Coroutine[None, None, None]) -> None:
    with suppress(TimeoutError, *_GONE):
        await asyncio.wait_for(work, _CLEANUP)
