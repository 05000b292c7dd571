"""Hold on the deploys of a project, as the server stores it (`hold.json`)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_float, as_object, as_str, parse_json
from ftl.dataclass import dataclass
from ftl.releases.file_copies import ON_DISK_SECONDS

if TYPE_CHECKING:
    from ftl.releases.file_copies import StoredFiles

FILE = "hold.json"


@dataclass(frozen=True, slots=True)
class Hold:
    """A stop for deploys of a project, until `ftl deploy --end-hold`.

    Attributes:
        reason: As `ftl rollback --hold -m REASON` got it.
    """

    reason: str
    by: str
    time: float

    def to_json(self) -> bytes:
        """The hold as it is stored."""
        return json.dumps(asdict(self)).encode()


DAMAGED_HOLD = Hold("the file that says so is damaged, as by a power cut", "", 0.0)
"""In place of a hold that cannot be read, or the end of one."""


def ended_json(time: float) -> bytes:
    """Content of the file of a hold that has ended; `time` is Unix time."""
    return json.dumps({"ended": True, "time": time}).encode()


def parse_hold(stored: StoredFiles, name: str) -> Hold | None:
    """The hold in a file. A damaged one may have been one: the user decides."""
    if name in stored.damaged:
        return DAMAGED_HOLD
    fields = as_object(parse_json(stored.files.get(name, b"{}")))
    if not {"reason", "by", "time"} <= fields.keys():
        return None
    return Hold(as_str(fields["reason"]), as_str(fields["by"]), as_float(fields["time"]))


def hold_time(stored: StoredFiles, name: str) -> float:
    """Time at which the hold in a file was set or ended.

    Where the file does not say so, by the server's clock. A damaged one is older than a whole one that was written at
    the same time.
    """
    if name in stored.damaged:
        return max(0.0, stored.written(name) - ON_DISK_SECONDS)
    fields = as_object(parse_json(stored.files.get(name, b"{}")))
    return as_float(fields.get("time")) or stored.written(name)
