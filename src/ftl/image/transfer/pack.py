"""From what the local engine saves to the archive that is sent: layers as they come, documents last."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ftl.errors import TransferFailed
from ftl.image.transfer.archive import Packed, blob, digest, documents
from ftl.image.transfer.tar import END, header, padding

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ftl.engine import Store
    from ftl.image.transfer.meter import Meter
    from ftl.image.transfer.save import Saved, Wanted

SPACE = 2
"""`docker load` holds a layer twice for a while: graph drivers unpack the archive first and install it from
there, the containerd store keeps the blob beside the unpacked files."""


class Packing:
    """One archive in the making.

    Args:
        saved: Where the layers come from.
        images: The tag to load an image under -> the image.
        meter: Told what passes.
        free: Bytes that are free where the engine keeps its images; None where that is not known.
        server: What errors call the target.
    """

    def __init__(
        self, saved: Saved, images: Mapping[str, Wanted], meter: Meter, *, free: int | None, server: str
    ) -> None:
        self._saved = saved
        self._images = images
        self._meter = meter
        self._free = free
        self._server = server
        self._needed = 0

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The archive.

        Raises:
            TransferFailed: The images cannot be read here, or will not fit there.
        """
        async with aclosing(self._saved.layers()) as layers:
            async for layer in layers:
                self._reserve(layer.size)
                self._meter.layer(layer.diff_id)
                yield header(blob(layer.diff_id), layer.size)
                async for piece in layer.pieces:
                    self._meter.passed(len(piece))
                    yield piece
                yield padding(layer.size)
        for name, content in documents(self._packed(), self._saved.sizes).items():
            yield header(name, len(content)) + content + padding(len(content))
        yield END

    def ids(self, store: Store) -> dict[str, str]:
        """The ID that each tag must have once the archive is loaded: nothing else was meant."""
        return {
            image.tag: image.config_digest
            if store == "overlay2"
            else digest(image.manifest(self._saved.sizes))
            for image in self._packed()
        }

    def _packed(self) -> list[Packed]:
        return [
            Packed(tag, self._saved.configs[image.config], image.layers)
            for tag, image in self._images.items()
        ]

    def _reserve(self, size: int) -> None:
        self._needed += SPACE * size
        if self._free is not None and self._needed > self._free:
            raise no_room(self._server, self._needed, self._free)


def no_room(server: str, needed: int, free: int) -> TransferFailed:
    """The error for a disk that is too small, found out before it is full."""
    return TransferFailed(
        f"the disk of {server} has no room for the image",
        cause=f"it needs at least {_megabytes(needed)}, {_megabytes(free)} are free: "
        f"{_megabytes(needed - free)} are missing",
        hint="`docker system df` there shows what Docker holds, `docker image prune` frees what nothing uses",
    )


def _megabytes(count: int) -> str:
    return f"{-(-count // 1_000_000)} MB"
