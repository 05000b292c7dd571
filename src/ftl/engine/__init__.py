"""The Docker Engine API: one small typed surface over the client library.

The values and labels are needed everywhere, the client only where an engine is spoken to: it brings an HTTP
stack that takes longer to import than all the rest of FTL, and is loaded when `Engine` is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.engine.local import local_url, unix
from ftl.engine.tarball import archive
from ftl.engine.values import (
    Container,
    ContainerSpec,
    ContainerState,
    Endpoint,
    EngineInfo,
    ExecResult,
    Healthcheck,
    Image,
    Limit,
    LogLine,
    Mount,
    Network,
    Publish,
    Published,
    Pushed,
    Store,
    Usage,
    Volume,
)

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.engine.client import connector

__all__ = [
    "Container",
    "ContainerSpec",
    "ContainerState",
    "Endpoint",
    "Engine",
    "EngineInfo",
    "ExecResult",
    "Healthcheck",
    "Image",
    "Limit",
    "LogLine",
    "Mount",
    "Network",
    "Publish",
    "Published",
    "Pushed",
    "Store",
    "Usage",
    "Volume",
    "archive",
    "connector",
    "local_url",
    "unix",
]


def __getattr__(name: str) -> object:
    """Load the client when it is first asked for (PEP 562)."""
    if name == "Engine":
        from ftl.engine.api import Engine

        return Engine
    if name == "connector":
        from ftl.engine.client import connector

        return connector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
