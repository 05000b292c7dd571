"""The root of all steps."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import ClassVar

from ftl.events import type_name


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step.

    Attributes:
        verb: Its name in scripts/serve.sh.
        seconds: How long it may take.
        guarded: Whether it is taken back there unless a new connection is made after it.
    """

    verb: ClassVar[str]
    seconds: ClassVar[float] = 60.0
    guarded: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """Its stable name, for events: "install_docker"."""
        return type_name(type(self))

    @property
    def text(self) -> str:
        """What it does, for people."""
        raise NotImplementedError

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of its verb: no word has lines."""
        return ()


def encoded(content: bytes) -> str:
    """Content as one word."""
    return base64.b64encode(content).decode()
