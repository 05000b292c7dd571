"""API calls about the engine's images; load and save are streams of bounded memory."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from ftl.common import references
from ftl.common.json_fields import as_int, as_object, as_objects, as_str, parse_json
from ftl.engine import convert
from ftl.engine.calls import body
from ftl.engine.calls.disk_usage import MEASURED_SIDE_BY_SIDE, disk_usage
from ftl.engine.client import Client, checked
from ftl.engine.errors import ignoring, none_if_missing
from ftl.engine.transport.library import raw, unbounded
from ftl.errors import EngineError, FtlError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from ftl.engine.values import CacheRecord, DiskUsage, Image


class ImageCalls:
    """Calls about the engine's images, and its build cache."""

    _client: Client

    async def images(self, *, labels: Mapping[str, str] | None = None) -> list[Image]:
        """All images with these labels; layers and platform are left out, see `image`."""
        query = {"filters": body.labelled(labels)}
        items = as_objects(await self._client.get_json("list its images", "images/json", query))
        return [convert.listed_image(item) for item in items]

    async def unshared_sizes(self, *, labels: Mapping[str, str]) -> dict[str, int | None]:
        """Tag -> bytes of the layers that only its image has, of all images with these labels.

        None where the engine does not say, as before API 1.42 (Docker 23).
        """
        query = {"filters": body.labelled(labels), "shared-size": "true"}
        items = as_objects(await self._client.get_json("measure its images", "images/json", query))
        return {tag: convert.unshared_size(item) for item in items for tag in convert.listed_image(item).tags}

    async def image(self, reference: str) -> Image | None:
        """One image with all fields, by tag, digest or ID; None where it does not exist."""
        path = f"images/{checked(reference)}/json"
        record = await none_if_missing(self._client.get_json(f"inspect {reference}", path))
        return None if record is None else convert.inspected_image(as_object(record))

    async def layer_sizes(self, reference: str) -> list[int]:
        """Unpacked sizes of an image's layers, lowest first; 0 for steps without a layer."""
        action = f"read the history of {reference}"
        steps = as_objects(await self._client.get_json(action, f"images/{checked(reference)}/history"))
        return [as_int(step.get("Size")) for step in reversed(steps)]

    async def usage(self, *, seconds: float) -> DiskUsage:
        """Disk space of unused images and build cache; takes the engine seconds to minutes.

        From API 1.42 on (Docker 23) it can be limited to some types: volumes are slow to count and not needed.
        EngineUnavailable after a time limit.
        """
        query = {"type": ["image", "build-cache"]}
        answer = await disk_usage(self._client, "sum up its disk usage", query, seconds=seconds)
        return convert.usage(as_object(answer))

    async def layers_size(self, *, seconds: float) -> int | None:
        """Bytes of all layers of all images; None before API 1.42 (Docker 23).

        Such an engine measures all volumes with them, which may take minutes. EngineUnavailable after a time limit.
        """
        if tuple(map(int, (await self._client.info()).api.split("."))) < MEASURED_SIDE_BY_SIDE:
            return None
        answer = await disk_usage(self._client, "measure its images", {"type": "image"}, seconds=seconds)
        return convert.usage(as_object(answer)).layers

    async def build_cache(self, *, seconds: float) -> tuple[CacheRecord, ...]:
        """Records of the build cache that no build uses; EngineUnavailable after a time limit."""
        query = {"type": "build-cache"}
        answer = await disk_usage(self._client, "list its build cache", query, seconds=seconds)
        return convert.build_cache(as_object(answer))

    async def prune_build_cache(self, record: str = "", *, seconds: float) -> int:
        """Remove the build cache that no build is using; bytes freed.

        Only the `record` of it, which stays if another builds on it; else all: also what a Dockerfile of today would
        use again. EngineUnavailable after a time limit.
        """
        query = {"all": 1, **({"filters": {"id": {record: True}}} if record else {})}
        action = "remove its build cache"
        answer = await self._client.send(action, "POST", "build/prune", query, seconds=seconds)
        return as_int(as_object(answer).get("SpaceReclaimed"))

    async def tag(self, reference: str, new: str) -> None:
        """Tag an image as "NAME:TAG"; the tag moves if another image has it."""
        name, label = references.split(checked(new))
        path, query = f"images/{checked(reference)}/tag", {"repo": name, "tag": label}
        await self._client.send(f"tag {reference} as {new}", "POST", path, query, is_repeatable=True)

    async def untag(self, reference: str) -> None:
        """Remove a tag, and with the last one the image (`docker rmi`); a missing one is no error.

        Of two removals of one image's last tags at once, the engine may refuse one with status 500 although both tags
        are gone afterwards ("unrecognized image ID", seen on 20.10).
        """
        try:
            with ignoring(404):
                await self._client.send(f"remove {reference}", "DELETE", f"images/{checked(reference)}")
        except EngineError as error:
            if error.status != 500 or await self.image(reference) is not None:
                raise

    async def load(self, archive: AsyncIterator[bytes]) -> list[str]:
        """Load images from a streamed archive.

        It is one of `docker save` or an OCI layout, plain or gzip. Memory stays bounded for any size. Errors of the
        archive itself are raised unchanged.

        Returns:
            The engine's messages ("Loaded image: shop-web:r5"). One does not prove that the image is complete: the
            containerd store prints it for an image whose layers are missing, too (from 27.2 on).

        Raises:
            EngineError: Also when the engine reports the error inside a stream that began with success.
        """
        source = _Source(archive)
        messages: list[str] = []
        try:
            async with self._client.call("load an image") as docker:
                async for item in docker.images.import_image(source, stream=True, timeout=unbounded()):
                    message = as_str(as_object(item).get("stream")).strip()
                    # The containerd store reports this as an ordinary line (seen on 28.5.2).
                    if message.lower().startswith("error unpacking"):
                        where = self._client.name
                        raise EngineError(f"the engine on {where} could not unpack an image", cause=message)
                    if message:
                        messages.append(message)
        except FtlError:
            if source.error is not None:  # what went wrong here, not what the engine made of half an archive
                raise source.error from None
            raise
        return messages

    async def save(self, references: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """One archive with these images, in chunks of at most a few hundred KiB.

        aiodocker's export cannot ask for several.
        """
        query = [("names", checked(reference)) for reference in references]
        async with (
            self._client.call(f"save {', '.join(references)}") as docker,
            raw(docker, "GET", "images/get", query=query) as response,
        ):
            async for chunk in response.content.iter_any():
                yield chunk

    async def build(
        self,
        tag: str,
        context: bytes,
        *,
        arguments: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[str]:
        """Build an image with the engine's builder, without BuildKit; yields its output by line.

        BuildKit reports its progress in protobuf, and wants a session besides (`docker build` opens one); the builder
        before it is in every engine from 20.10 to 28 and answers with text.

        `context` is a tar with the Dockerfile at its top.
        """
        async with self._client.call(f"build {tag}") as docker:
            updates = docker.images.build(
                fileobj=BytesIO(context),
                encoding="identity",
                tag=tag,
                buildargs=dict(arguments or {}),
                labels=dict(labels or {}),
                forcerm=True,
                stream=True,
            )
            async for item in updates:
                for line in as_str(as_object(item).get("stream")).splitlines():
                    yield line

    async def import_archive(self, reference: str, archive: AsyncIterator[bytes]) -> None:
        """Make an image of one layer from the tar of a file system (`docker import`)."""
        name, label = references.split(checked(reference))
        query = [("fromSrc", "-"), ("repo", name), ("tag", label)]
        async with (
            self._client.call(f"import {reference}") as docker,
            raw(docker, "POST", "images/create", query=query, data=archive) as response,
        ):
            async for line in response.content:
                message = as_str(as_object(parse_json(line)).get("error"))
                if message:
                    where = self._client.name
                    raise EngineError(f"the engine on {where} could not import {reference}", cause=message)


class _Source:
    """The archive on its way out; remembers its own error, which the HTTP client would bury in another."""

    def __init__(self, archive: AsyncIterator[bytes]) -> None:
        self._archive = archive
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._archive:
                yield chunk
        except Exception as error:
            self.error = error
            raise
