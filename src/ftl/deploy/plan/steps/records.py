"""Steps about release records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.deploy.plan.steps.base import Step

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseRecord


@dataclass(frozen=True, slots=True)
class EnsureStore(Step):
    """There is a place for release records."""

    image: str

    @property
    def text(self) -> str:
        return "make room for release records"


@dataclass(frozen=True, slots=True)
class Record(Step):
    """The release record is written; `outcome` is what it says."""

    project: str
    record: ReleaseRecord

    @property
    def text(self) -> str:
        return f"record {self.record.release} as {self.record.outcome}"
