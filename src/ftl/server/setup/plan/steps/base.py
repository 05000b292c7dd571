"""Base class of the steps of a setup plan."""

from __future__ import annotations

import base64
from typing import ClassVar

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One action of a setup plan, as data.

    Attributes:
        kind: Stable name in `--json` output and events, and of the shell function that runs it: `do_KIND`. Part of the
            public contract; class names are not.
        seconds: Time limit.
        guarded: Whether the server reverts it unless a new connection works afterwards.
    """

    kind: ClassVar[str]
    seconds: ClassVar[float] = 60.0
    guarded: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """Description for people, in the imperative."""
        raise NotImplementedError

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of its shell function, without line breaks."""
        return ()


def encoded(content: bytes) -> str:
    """Content in base64, as one argument."""
    return base64.b64encode(content).decode()
