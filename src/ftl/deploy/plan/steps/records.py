"""Steps about release records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ftl.deploy.plan.steps.base import Step

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseRecord


@dataclass(frozen=True, slots=True)
class EnsureStore(Step):
    """Create the place for release records if it does not exist."""

    kind: ClassVar[str] = "ensure_store"
    image: str

    @property
    def text(self) -> str:
        return "create the store of release records"


@dataclass(frozen=True, slots=True)
class Record(Step):
    """Write a release record with its current outcome."""

    kind: ClassVar[str] = "record"
    project: str
    record: ReleaseRecord

    @property
    def text(self) -> str:
        return f"record {self.record.release} as {self.record.outcome}"
