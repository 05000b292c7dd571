"""The Docker Engine API as FTL uses it, local or through a forwarded socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ftl.engine.calls.configs import SwarmConfigs
from ftl.engine.calls.containers import ContainerCalls
from ftl.engine.calls.images import ImageCalls
from ftl.engine.calls.registry import RegistryCalls
from ftl.engine.calls.services import ServiceCalls
from ftl.engine.calls.swarm import Swarm
from ftl.engine.calls.volumes import VolumeCalls
from ftl.engine.client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

    from ftl.engine.errors import Explain
    from ftl.engine.values import EngineInfo


class Engine(ContainerCalls, ImageCalls, RegistryCalls, ServiceCalls, VolumeCalls):
    """One engine behind a unix socket (or TCP address). An async context manager.

    Every method raises EngineUnavailable when nothing answers (or the more precise error that `explain` returns) and
    EngineError with the engine's status and message otherwise. The first call asks for `/info` (one round trip, once);
    each call is one round trip unless its docstring says otherwise, over connections that are kept alive. Calls may
    run in parallel.

    Every call is bounded by CALL_SECONDS, except the streams (load, save, pull, push, logs, wait): those last as
    long as the engine keeps them open, and callers can bound them by `asyncio.timeout`.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        explain: Explain | None = None,
        ready: list[socket] | None = None,
        sent: Sequence[tuple[bytes, socket]] = (),
        brief: bool = False,
    ) -> None:
        """Prepare for the engine at `url`.

        Args:
            url: "unix:///path" or "tcp://host:port".
            name: Its machine's name in errors: "this machine", "shop.example.com".
            explain: Asked for a better error when no engine answers: `Machine.explain`.
            ready: Sockets that are connected to `url`, of which it takes those that it needs.
            sent: Requests that were sent to it already, each on a socket of its own: calls that would send the same
                take their answers.
            brief: Ask for its info as of an old version of the API, which takes fewer bytes; one that does not know
                that version is asked again.
        """
        self.name = name
        self.url = url
        unused = [] if ready is None else ready
        self._client = Client(url, name=name, explain=explain, ready=unused, sent=sent, brief=brief)

    @property
    def asked(self) -> Sequence[bytes]:
        """The first requests of calls that only read, for `sent` of a later session."""
        return self._client.asked

    @property
    def is_brief(self) -> bool:
        """Whether it is asked for its info as of an old version; False once it has refused that."""
        return self._client.is_brief

    @property
    def swarm(self) -> Swarm:
        """The engine's Swarm mode."""
        return Swarm(self._client)

    @property
    def configs(self) -> SwarmConfigs:
        """The configs of the engine's Swarm."""
        return SwarmConfigs(self._client)

    @property
    def fastest_answer(self) -> float:
        """Seconds that its fastest answer took.

        Little more than the round trip, also where a machine is busy.
        """
        return self._client.fastest_answer

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    async def info(self) -> EngineInfo:
        """Version, platform and storage of the engine; cached after the first call."""
        return await self._client.info()

    async def ping(self) -> None:
        """Round trip to the engine, after which earlier bytes have arrived."""
        await self._client.get("answer", "_ping", is_fresh=True)
