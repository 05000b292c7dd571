"""FTL's method: connect to a server and send one image, like `ftl deploy`.

    python -m bench.transfer.ftl_send SERVER IMAGE TAG
    python -m bench.transfer.ftl_send warm IMAGE

SERVER is a JSON object (host, port, user, key, known_hosts). Prints the result of the transfer as one JSON object. The
second form does what a deploy does while it waits for its containers: it learns the image's blobs.
"""

from __future__ import annotations

import atexit
import gc
import json
import sys
from asyncio import create_task, to_thread
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.events import Event
    from ftl.image.transfer import ReadAhead
    from ftl.ssh.machine import Machine


async def send(machine: Machine, reference: str, tag: str) -> dict[str, object]:
    """Send the image to the server."""
    connecting = create_task(machine.likely_engine_url())  # meanwhile the program is loaded, as in a deploy
    await to_thread(import_module, "ftl.engine.api")
    from ftl.engine.api import Engine
    from ftl.engine.local import local_url
    from ftl.events import Note
    from ftl.host.session import open_session

    notes: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    async with Engine(local_url(), name="this machine") as source, AsyncExitStack() as stack:
        reading = create_task(read_ahead(source, reference, stack))
        async with open_session(machine, streams=False) as session:
            await connecting
            ahead = await reading
            from lab.transfers import send_many

            await source.tag(reference, tag)  # like a deploy: the release has one tag on both sides
            results = await send_many(
                source,
                {tag: reference},
                session.engine,
                info=session.info,
                emit=emit,
                machine=machine,
                ahead=ahead,
            )
    result = results[tag]
    return {
        "layers_sent": result.layers_sent,
        "layers_reused": result.layers_reused,
        "bytes_sent": result.bytes_sent,
        "seconds": round(result.seconds, 3),
        "notes": notes,
    }


async def read_ahead(source: Engine, reference: str, stack: AsyncExitStack) -> ReadAhead:
    """Load the program and begin to read the image while ssh connects, as a deploy does while it takes the lock."""
    asking = create_task(source.info())
    await to_thread(import_module, "ftl.image.transfer")
    await asking
    from ftl.image.transfer import ReadAhead

    return await stack.enter_async_context(ReadAhead(source, [reference]))


async def warm(reference: str) -> None:
    """Learn the image's blobs."""
    from ftl.engine.api import Engine
    from ftl.engine.local import local_url
    from ftl.image.transfer import warm_blob_cache

    async with Engine(local_url(), name="this machine") as engine:
        await warm_blob_cache(engine, [reference])


def main() -> None:
    """Run one of the two forms."""
    from asyncio import run

    atexit.register(gc.freeze)  # like `ftl`
    if sys.argv[1] == "warm":
        run(warm(sys.argv[2]))
        return
    server: dict[str, Any] = json.loads(sys.argv[1])
    target = Target(
        server["host"], server["port"], server["user"], Path(server["key"]), Path(server["known_hosts"])
    )

    print(json.dumps(run(send(connect(target, interactive=False), *sys.argv[2:4]))), flush=True)


if __name__ == "__main__":
    main()
