"""Support of transfer tests: servers of each kind, images of a test, and leftovers."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.transfers import send
from tests.e2e.support.transfer.images import Ends, Made, layer, load

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.events import ignore
from ftl.image.transfer.link_speed import remember_speed
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator
    from pathlib import Path

    from lab.relay import Relay
    from lab.servers import Lab, Server

    from ftl.engine.values import Store
    from ftl.events import Emit
    from ftl.image.transfer import TransferResult
    from ftl.ssh.machine import Machine

KEPT = "/home/ftl/.cache/ftl/layers"
"""The cache of layers of the lab's user on a server."""


class TransferServers:
    """Servers of each kind, started when first used and shared by the tests of a worker."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._servers: dict[tuple[str, str], Server] = {}

    def server(self, suite: str, store: Store) -> Server:
        """The server of a kind."""
        if (suite, store) not in self._servers:
            name = f"transfer-{suite}-{store}"
            self._servers[suite, store] = self._lab.server(name, suite=suite, store=store)
        return self._servers[suite, store]


class OwnImages:
    """Images of one test, so that no other test's layers are on the server already."""

    def __init__(self, name: str, shell: bytes) -> None:
        self.name = name
        self.base = layer({"bin/busybox": shell, "base": name.encode()})

    def image(self, text: str, *middle: str) -> Made:
        """An image of the base, a layer for each of `middle`, and the text on top; labelled as built by FTL."""
        layers = [layer({f"middle-{at}": f"{word} {self.name}".encode()}) for at, word in enumerate(middle)]
        return self.of(text, *layers)

    def of(self, text: str, *middle: bytes) -> Made:
        """An image of the base, these layers, and the text on top."""
        top = layer({"text": f"{text} {self.name}".encode()})
        return Made((self.base, *middle, top), labels={"ftl.project": "transfer"})

    def tag(self, word: str) -> str:
        """A tag for an image of this test."""
        return f"{self.name}:{word}"


def printed(server: Server, image: str) -> str:
    """The output of a container of the image."""
    return server.docker("run", "--rm", "--network", "none", image)


def left_behind(server: Server) -> str:
    """Staging tags and their containers; without other tests running, there must be none."""
    return server.docker("images", "--quiet", "ftl-incoming") + server.docker(
        "ps", "--all", "--quiet", "--filter", "label=ftl.role=transfer"
    )


@contextmanager
def unchanged(server: Server) -> Iterator[None]:
    """Check that no staging tag or dangling image is added: other tests use the server, too."""
    before = _traces(server)
    yield
    assert _traces(server) - before == set()


def _traces(server: Server) -> set[str]:
    nameless = server.docker("images", "--quiet", "--filter", "dangling=true")
    return {*left_behind(server).split(), *nameless.split()}


def packages(seed: str, count: int = 60, *, mtime: int = 0) -> bytes:
    """A layer of `count` incompressible files of 40 kB; another seed makes other files."""
    noise = random.Random(seed)
    return layer({f"lib/{at}": noise.randbytes(40_000) for at in range(count)}, mtime=mtime)


# --- with commands on the server, like a deploy ------------------------------------------------------------


@dataclass(frozen=True)
class Reach(Ends):
    """The engines of a transfer, and the server to run commands on."""

    machine: Machine


@asynccontextmanager
async def reach(
    server: Server, *, user: str | None = None, relay: Relay | None = None, folder: Path | None = None
) -> AsyncIterator[Reach]:
    """Connect to a server, through a relay if one is given; its host key is then written to `folder`."""
    port, known = server.port, server.known_hosts
    if relay is not None and folder is not None:
        port, known = relay.port, folder / "known_hosts"
        known.write_text(server.known_hosts.read_text().replace(str(server.port), str(port)))
    target = Target(server.host, port, user or server.user, server.key, known)
    async with (
        Engine(local_url(), name="this machine") as source,
        connect(target, interactive=False) as machine,
        Engine(await machine.engine_url(), name=server.name, explain=machine.explain) as engine,
    ):
        yield Reach(source, engine, await engine.info(), machine)


async def bring(
    between: Reach,
    made: Made,
    here: str,
    there: str,
    emit: Emit = ignore,
    *,
    sources: Collection[str] | None = None,
) -> TransferResult:
    """Load an image on this machine and send it, like a deploy."""
    await load(between.source, here, made)
    return await send(
        between.source,
        here,
        between.target,
        tag=there,
        info=between.info,
        emit=emit,
        machine=between.machine,
        sources=sources,
    )


def slow(server: Server) -> None:
    """Remember a link of 8 Mbit/s, on which deltas of the tests' small layers pay off."""
    remember_speed(server.name, 1e6, 1.0)


def kept(server: Server) -> dict[str, int]:
    """The cached layers of a server: name -> bytes."""
    listed = server.run(
        "find", KEPT, "-mindepth", "1", "-maxdepth", "1", "-printf", "%f %s\\n", check=False
    ).stdout.decode()
    return {name: int(size) for name, size in (line.split() for line in listed.splitlines())}


def forget(server: Server) -> None:
    """Clear a server's cache of layers."""
    server.run("rm", "-rf", KEPT)
