"""Steps about release records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import utc
from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import GivenServersStep, Step

if TYPE_CHECKING:
    from ftl.releases.hold import Hold
    from ftl.releases.preview import Preview
    from ftl.releases.record import ReleaseRecord


@dataclass(frozen=True, slots=True)
class EnsureStore(GivenServersStep):
    """Create the place for release records if it does not exist."""

    kind = "ensure_store"
    sentence = "create the store of release records"
    image: str


@dataclass(frozen=True, slots=True)
class WriteRecord(Step):
    """Write a release record with its current outcome.

    Attributes:
        decides: The release of this very plan is live with it. One that repairs a record decides nothing, also where
            that release is live: containers that the plan starts beside it may still fail, and are undone then.
    """

    kind = "record"
    runs_on = "managers"
    sentence = "record {0.record.release} as {0.record.outcome}"
    project: str
    record: ReleaseRecord
    decides: bool = False


@dataclass(frozen=True, slots=True)
class AmendRecords(Step):
    """Rewrite records of earlier releases: with a mark, or without data for a rollback."""

    kind = "amend_records"
    runs_on = "managers"
    project: str
    records: tuple[ReleaseRecord, ...]
    why: str

    @property
    def text(self) -> str:
        names = ", ".join(record.release for record in self.records)
        return f"amend the record{'s' if len(self.records) != 1 else ''} of {names} ({self.why})"


@dataclass(frozen=True, slots=True)
class CompactRecords(Step):
    """Summarise the records of old releases in one file."""

    kind = "compact_records"
    runs_on = "managers"
    project: str
    records: tuple[ReleaseRecord, ...]

    @property
    def text(self) -> str:
        return f"summarise the records of {len(self.records)} old releases"


@dataclass(frozen=True, slots=True)
class SetHold(Step):
    """Put deploys of the project on hold, or end the hold."""

    kind = "set_hold"
    runs_on = "managers"
    project: str
    hold: Hold | None

    @property
    def text(self) -> str:
        return f"put deploys on hold ({self.hold.reason})" if self.hold else "end the hold on deploys"


@dataclass(frozen=True, slots=True)
class SetPreview(Step):
    """Schedule the removal of a preview by the server, or cancel it."""

    kind = "set_preview"
    runs_on = "managers"
    project: str
    preview: Preview | None

    @property
    def text(self) -> str:
        if self.preview is None:
            return "cancel its scheduled removal"
        return f"schedule its removal for {utc(self.preview.until)}"


@dataclass(frozen=True, slots=True)
class Decide(Step):
    """Decide a change without a switch or a release: nothing is undone after it."""

    kind = "decide"
    runs_on = "none"
    sentence = "keep the new containers"
    project: str
