"""The Docker Engine API as FTL uses it, local or through a forwarded socket: one small typed surface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ftl.engine.values import (
    Container,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ExecResult,
    Image,
    LogLine,
    Network,
    Volume,
)


class Engine:
    """One engine behind a unix socket (or TCP address). An async context manager.

    Raises from every method: EngineUnavailable when nothing answers, EngineError with the engine's status and
    words otherwise; `name` ("this machine", "shop.example.com") is what errors call it.
    """

    def __init__(self, url: str, *, name: str) -> None: ...  # "unix:///path" or "tcp://..."

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def info(self) -> EngineInfo: ...

    # images
    async def images(
        self, *, labels: Mapping[str, str] | None = None
    ) -> list[Image]: ...  # light: layers, config empty
    async def image(self, reference: str) -> Image | None: ...  # None: not there
    async def tag(self, reference: str, new: str) -> None: ...
    async def untag(self, reference: str) -> None: ...  # docker rmi REF; a missing one is no error
    async def pull(
        self, reference: str, *, platform: str | None = None, auth: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]: ...
    async def load(
        self, archive: AsyncIterator[bytes]
    ) -> list[str]: ...  # the stream's messages; raises on error
    def save(self, references: Sequence[str]) -> AsyncIterator[bytes]: ...

    # containers
    async def containers(
        self, *, labels: Mapping[str, str] | None = None
    ) -> list[Container]: ...  # stopped too
    async def container(self, name: str) -> ContainerState | None: ...
    async def create(self, name: str, spec: ContainerSpec) -> str: ...
    async def start(self, container: str) -> None: ...
    async def stop(self, container: str, *, timeout: float) -> None: ...
    async def remove(self, container: str, *, force: bool = False) -> None: ...  # missing: no error
    async def rename(self, container: str, name: str) -> None: ...
    async def wait(self, container: str) -> int: ...
    async def execute(
        self, container: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> ExecResult: ...
    def logs(
        self, container: str, *, tail: int | None = None, follow: bool = False, since: str | None = None
    ) -> AsyncIterator[LogLine]: ...
    async def put_archive(self, container: str, path: str, archive: bytes) -> None: ...
    async def get_archive(
        self, container: str, path: str
    ) -> dict[str, bytes] | None: ...  # path in archive -> content

    # networks and volumes
    async def networks(self, *, labels: Mapping[str, str] | None = None) -> list[Network]: ...
    async def create_network(
        self, name: str, labels: Mapping[str, str]
    ) -> Network: ...  # existing by name: returned
    async def remove_network(self, name: str) -> None: ...
    async def connect(self, network: str, container: str, aliases: Sequence[str] = ()) -> None: ...
    async def disconnect(self, network: str, container: str) -> None: ...
    async def volumes(self, *, labels: Mapping[str, str] | None = None) -> list[Volume]: ...
    async def create_volume(self, name: str, labels: Mapping[str, str]) -> None: ...
    async def remove_volume(self, name: str) -> None: ...


def local_url() -> str:
    """Where this machine's engine listens: DOCKER_HOST, else the docker CLI's current context, else the default."""
    raise NotImplementedError


def unix(path: Path) -> str:
    """The URL of an engine behind a unix socket."""
    return f"unix://{path}"
