"""The root of all steps."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.events import type_name


@dataclass(frozen=True, slots=True)
class Step:
    """The root of all steps."""

    @property
    def kind(self) -> str:
        """Its stable name: "start_containers"."""
        return type_name(type(self))

    @property
    def text(self) -> str:
        """What it does, for people, in the imperative."""
        raise NotImplementedError

    @property
    def subject(self) -> str | None:
        """The service or dependency it is about, if it is about one."""
        return None


@dataclass(frozen=True, slots=True)
class ServiceStep(Step):
    """The root of the steps that are about one service or dependency."""

    service: str

    @property
    def subject(self) -> str:
        return self.service
