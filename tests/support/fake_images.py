"""The images of a fake engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common import references
from ftl.engine.values import DiskUsage, EngineInfo, Image, PushUpdate
from tests.support.engine_calls import RecordedEngine, carries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

INFO = EngineInfo("28.5.2", "1.51", "linux/amd64", "overlay2", "/var/lib/docker", "6.1.0-18-amd64")


class FakeImages(RecordedEngine):
    """The calls about images.

    Attributes:
        registry: What can be pulled, by reference; pushes add to it.
        unlisted: IDs of images that its list leaves out.
    """

    def __init__(self, name: str, info: EngineInfo, images: Iterable[str]) -> None:
        super().__init__(name)
        self.registry: dict[str, Image] = {}
        self.unlisted: set[str] = set()
        self._engine_info = info
        self._images: dict[str, Image] = {}
        for reference in images:
            self.add_image(reference)

    def _in_use(self, image_id: str) -> bool:
        """Whether a container was made from an image."""
        raise NotImplementedError

    def add_image(self, reference: str, image: Image | None = None, **changed: object) -> Image:
        """Have an image under a tag (or digest)."""
        image = image or Image(f"sha256:{next(self._numbers):064x}", (), (), (), {}, INFO.platform, 1000)
        image = self._images.get(image.id, image)
        kept = replace(image, **changed)  # type: ignore[arg-type]
        self._images[kept.id] = kept
        self._name(kept.id, reference)
        return self._images[kept.id]

    def clock_ahead(self, seconds: float) -> None:
        """Set the engine's clock, by ours."""
        self._engine_info = replace(self._engine_info, clock_ahead=seconds)

    async def info(self) -> EngineInfo:
        async with self._call("info", reads=True):
            return self._engine_info

    async def images(self, *, labels: Mapping[str, str] | None = None) -> list[Image]:
        async with self._call("images", reads=True):
            found = ((image, image.config.get("Labels")) for image in self._images.values())
            return [
                image
                for image, own in found
                if carries(own if isinstance(own, dict) else {}, labels) and image.id not in self.unlisted
            ]

    async def image(self, reference: str) -> Image | None:
        async with self._call("image", reference, reads=True):
            return self._find_image(reference)

    async def tag(self, reference: str, new: str) -> None:
        async with self._call("tag", reference, new):
            self._name(self._image(reference).id, new)

    async def untag(self, reference: str) -> None:
        async with self._call("untag", reference):
            image = self._find_image(reference)
            if image is None:
                return
            gone = {reference, references.as_listed(reference)}
            tags = tuple(tag for tag in image.tags if tag not in gone)
            digests = tuple(digest for digest in image.digests if digest not in gone)
            name = references.repository(references.as_listed(reference))
            if len(tags) < len(image.tags) and name not in map(references.repository, tags):
                # The digests of a repository go with its last tag.
                digests = tuple(digest for digest in digests if references.repository(digest) != name)
            if not tags and not digests:
                if self._in_use(image.id):
                    raise self._refuse(409, f"conflict: unable to remove {reference}: a container uses it")
                del self._images[image.id]
            else:
                self._images[image.id] = replace(image, tags=tags, digests=digests)

    async def pull(
        self, reference: str, *, platform: str | None = None, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        async with self._call("pull", reference):
            if reference not in self.registry:
                raise self._refuse(404, f"manifest for {reference} not found: manifest unknown")
            yield f"Pulling {reference}"
            self.add_image(reference, self.registry[reference])

    async def push(
        self, reference: str, *, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[PushUpdate]:
        async with self._call("push", reference):
            image = self._image(reference)
            digest = f"sha256:{image.id[-8:]:d>64}"
            self.registry[reference] = self.registry[f"{references.repository(reference)}@{digest}"] = image
            yield PushUpdate(f"digest: {digest}", digest)

    async def usage(self, *, seconds: float) -> DiskUsage:
        async with self._call("usage", reads=True):
            return DiskUsage(0, 0)

    async def unshared_sizes(self, *, labels: Mapping[str, str]) -> dict[str, int | None]:
        return {tag: image.size for image in await self.images(labels=labels) for tag in image.tags}

    async def layer_sizes(self, reference: str) -> list[int]:
        async with self._call("layer_sizes", reference, reads=True):
            image = self._image(reference)
            return [image.size // len(image.layers) for _ in image.layers]

    async def layers_size(self, *, seconds: float) -> int | None:
        async with self._call("layers_size", reads=True):
            return sum(image.size for image in self._images.values())

    def _find_image(self, reference: str) -> Image | None:
        names = {reference, references.as_listed(reference)}
        for image in self._images.values():
            if names & {image.id, *image.tags, *image.digests}:
                return image
        return None

    def _image(self, reference: str) -> Image:
        image = self._find_image(reference)
        if image is None:
            raise self._refuse(404, f"No such image: {reference}")
        return image

    def _name(self, image_id: str, reference: str) -> None:
        name = references.as_listed(reference)
        for other in list(self._images.values()):
            self._images[other.id] = replace(other, tags=tuple(tag for tag in other.tags if tag != name))
        image = self._images[image_id]
        if "@" in name:
            self._images[image_id] = replace(image, digests=tuple(dict.fromkeys((*image.digests, name))))
        else:
            self._images[image_id] = replace(image, tags=(*image.tags, name))
