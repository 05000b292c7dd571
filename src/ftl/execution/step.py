"""Base class of all steps: of deploys, of a server's setup, and of a cluster's."""

from __future__ import annotations

from typing import ClassVar

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class BaseStep:
    """One action of a plan, as data.

    Attributes:
        kind: Stable name in `--json` output and events. Part of the public contract; class names are not.
        sentence: Its `text`, where `{0}` is the step; one that is put together otherwise has a `text` of its own.
        runs_once: Run once for all its servers, and not on each of them.
    """

    kind: ClassVar[str]
    sentence: ClassVar[str] = ""
    runs_once: ClassVar[bool] = False

    @property
    def servers(self) -> tuple[str, ...]:
        """Its servers, by their names in the context that it runs in."""
        return ()

    @property
    def text(self) -> str:
        """Description for people, in the imperative."""
        return self.sentence.format(self)

    @property
    def located_text(self) -> str:
        """The description in events: with the servers, where `text` does not name them."""
        return self.text

    @property
    def subject(self) -> str | None:
        """The service or dependency it is about; None where it is about neither."""
        return None

    @property
    def place(self) -> str:
        """Its name in the place of an error."""
        return self.kind
