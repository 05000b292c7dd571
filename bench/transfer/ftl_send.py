"""FTL's part of the comparison: a process that connects to a server and sends one image, as `ftl deploy` does.

    python -m bench.transfer.ftl_send SERVER IMAGE TAG

SERVER is a JSON object (host, port, user, key, known_hosts). Prints what FTL says of it as one JSON object.
"""

from __future__ import annotations

import atexit
import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from ftl.events import Event
    from ftl.ssh.machine import Machine


async def send(machine: Machine, reference: str, tag: str) -> dict[str, object]:
    """Bring the image to the server."""
    from ftl.engine.api import Engine
    from ftl.engine.local import local_url
    from ftl.events import Note
    from ftl.host.session import open_session
    from ftl.image.transfer import send_many

    notes: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)

    async with Engine(local_url(), name="this machine") as source:
        await source.tag(reference, tag)  # as a deploy does: the release is known by one name on both sides
        async with open_session(machine) as there:
            sent = await send_many(
                source, {tag: reference}, there.engine, info=there.info, emit=emit, machine=machine
            )
    one = sent[tag]
    return {
        "layers_sent": one.layers_sent,
        "layers_reused": one.layers_reused,
        "bytes_sent": one.bytes_sent,
        "seconds": round(one.seconds, 3),
        "notes": notes,
    }


def main() -> None:
    """Run it."""
    atexit.register(gc.freeze)  # as `ftl` does
    server: dict[str, Any] = json.loads(sys.argv[1])
    target = Target(
        server["host"], server["port"], server["user"], Path(server["key"]), Path(server["known_hosts"])
    )

    from asyncio import run

    print(json.dumps(run(send(connect(target, interactive=False), *sys.argv[2:4]))), flush=True)


if __name__ == "__main__":
    main()
