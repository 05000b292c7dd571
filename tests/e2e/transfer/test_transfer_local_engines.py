"""Transfers from local engines of other versions and stores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lab.transfers import send
from tests.e2e.support.transfer.images import Form, engine_of, load, run
from tests.e2e.support.transfer.servers import OwnImages, TransferServers, printed
from tests.e2e.transfer.test_transfer import SUITES

if TYPE_CHECKING:
    from lab.servers import Server

    from ftl.engine.values import Store
    from ftl.image.transfer import TransferResult

pytestmark = pytest.mark.server


@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite != "bookworm"])
@pytest.mark.parametrize("store", ["overlay2", "containerd"])
def test_a_newer_local_engine(
    transfer_servers: TransferServers,
    server: Server,
    own_images: OwnImages,
    suite: str,
    store: Store,
    form: Form,
) -> None:
    """Newer engines name layers in another way, and the containerd store keeps them compressed."""
    here = transfer_servers.server(suite, store)

    async def work() -> tuple[TransferResult, TransferResult]:
        async with engine_of(here) as source, engine_of(server) as target:
            info = await target.info()
            sent: list[TransferResult] = []
            for word in ("one", "two"):
                await load(source, own_images.tag(word), own_images.image(word, "middle"), form=form)
                sent.append(
                    await send(
                        source,
                        own_images.tag(word),
                        target,
                        tag=own_images.tag(f"{word}-r"),
                        info=info,
                        emit=print,
                    )
                )
            return sent[0], sent[1]

    first, second = run(work())
    try:
        assert (first.layers_sent, second.layers_sent) == (3, 1)
        assert printed(server, own_images.tag("two-r")) == f"two {own_images.name}"
    finally:
        server.docker("rmi", own_images.tag("one-r"), own_images.tag("two-r"))


@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite != "bookworm"])
def test_of_several_local_platforms_the_servers_is_sent(
    transfer_servers: TransferServers, server: Server, own_images: OwnImages, suite: str
) -> None:
    """The containerd store keeps images of several platforms under one tag."""
    ours = own_images.image("ours")
    foreign = replace(own_images.image("foreign"), architecture="s390x")

    async def work() -> TransferResult:
        async with (
            engine_of(transfer_servers.server(suite, "containerd")) as source,
            engine_of(server) as target,
        ):
            await load(source, own_images.tag("both"), foreign, ours, form="gzip")
            info = await target.info()
            return await send(
                source, own_images.tag("both"), target, tag=own_images.tag("r1"), info=info, emit=print
            )

    run(work())
    try:
        assert printed(server, own_images.tag("r1")) == f"ours {own_images.name}"
    finally:
        server.docker("rmi", own_images.tag("r1"))
