"""Pre hooks that ran since the release that a rollback restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.figures import count
from ftl.common.json_fields import as_object, as_str

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.observe.state import Observed
    from ftl.releases.record import ReleaseRecord


def hook_notes(restored: ReleaseRecord, observed: Observed) -> Iterator[str]:
    """Note the pre hooks of all later releases, also of those that failed after them."""
    since = [record for record in observed.releases if record.number > restored.number]
    ran = sum(len(_begun(record)) for record in since if _is_certain(record))
    perhaps = [record for record in since if not _is_certain(record) and _begun(record)]
    if ran:
        without = [record.release for record in since if record.pre_hooks and record.outcome != "live"]
        of = f", also of {', '.join(without)}, which did not stay live" if without else ""
        yield (
            f"{count(ran, 'pre hook')} ran since {restored.release}{of}; what pre hooks changed in databases stays"
        )
    if perhaps:
        names = ", ".join(record.release for record in perhaps)
        yield f"pre hooks may have run in {names}, which did not stay live; what they changed in databases stays"


def _is_certain(record: ReleaseRecord) -> bool:
    """Whether it is known which pre hooks ran: where a release went live, all of them did."""
    return record.pre_hooks is not None or record.outcome in ("live", "replaced")


def _begun(record: ReleaseRecord) -> set[str]:
    """Services whose pre hooks ran.

    By the record of an earlier version of FTL, those of the services that the release started.
    """
    if record.pre_hooks is not None:
        return set(record.pre_hooks)
    if not record.hooks:
        return set()
    started = {name for name, entry in record.services.items() if entry.release == record.release}
    with_hook = {as_str(section.get("name")) for section in record.sections("services") if _pre(section)}
    return started & with_hook


def _pre(section: object) -> bool:
    pre = as_object(as_object(as_object(section).get("hooks")).get("pre"))
    return bool(pre.get("local") or pre.get("remote"))
