"""Records of measured runs: a line of JSON for each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TYPE = "transfer"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Record of one run; sizes in bytes.

    Attributes:
        bench: The benchmark of the run: a file may contain several.
        bytes: In both directions over the link, counted by the relay.
        seconds: From the start of the method's process to its end.
        memory_here: Peak of the method's local processes.
        memory_there: Peak of its processes on the server, without the engine.
        memory_engine: Growth of the server's engine.
        free_there: Free memory of the server before.
        image: Size of the image.
        layer: Size of its largest layer, without the base.
        said: The result that FTL reports.
    """

    bench: str
    case: str
    method: str
    link: str
    server: str
    repetition: int
    bytes: int
    seconds: float
    memory_here: int
    memory_there: int
    memory_engine: int
    free_there: int
    image: int
    layer: int
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def turn(self) -> tuple[str, int]:
        """The repetition: runs are compared in pairs of the same one."""
        return self.bench, self.repetition

    def line(self) -> str:
        """The record as JSON."""
        return json.dumps({"type": TYPE, **asdict(self)})


def read_records(path: Path) -> list[RunRecord]:
    """Read the records in a file; other lines are ignored."""
    names = {field.name for field in fields(RunRecord)}
    records: list[RunRecord] = []
    for line in path.read_text().splitlines():
        values = json.loads(line)
        if values.get("type") == TYPE:
            records.append(RunRecord(**{name: value for name, value in values.items() if name in names}))
    return records
