"""Send images to a server: only the layers that it lacks, in one stream.

    source -> layers with known digests -> archive -> zstd or gzip -> load -> verify -> tag

No copy is made on this machine in the ordinary case and memory is bounded: each stage passes chunks on as they
come and is as fast as the slowest. Whatever goes wrong, no tag on the server moves to an image that is
incomplete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.image.transfer.sources.local_engine import LocalEngine
from ftl.image.transfer.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Collection

    from ftl.engine.api import Engine
    from ftl.image.transfer.inventory import Inventory
    from ftl.image.transfer.progress.result import TransferResult
    from ftl.image.transfer.sources.read_ahead import ReadAhead


async def send_missing(
    source: Engine,
    found: Inventory,
    *,
    sources: Collection[str] | None = None,
    ahead: ReadAhead | None = None,
) -> dict[str, TransferResult]:
    """Send a server its missing layers, in one archive: one of several images is sent once.

    Images that do not arrive complete are sent again with all of their layers, once, and a Note says so. `sources` are
    the names of the sources of layers that may be used ("push", "save"), None for all, the fastest first; `ahead` reads
    the images already.

    Raises:
        TransferFailed: An image is damaged, does not fit there or was not loaded. No tag there has moved, except to
            images that were there already.
        EngineError: An engine does not answer, or refuses a request.
    """
    sent: dict[str, TransferResult] = {}
    try:
        if found.pending:
            local_engine = LocalEngine(source, found.target.info.platform, sources, ahead)
            sent = await Transfer(
                source,
                found.destination,
                found.distinct,
                emit=found.emit,
                began=found.began,
                local_engine=local_engine,
                lock=found.lock,
            ).run()
        return await found.finish(sent)
    finally:  # in any case, or what was left would keep its disk space
        await found.clean()
