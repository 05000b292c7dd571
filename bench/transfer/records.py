"""What was measured: a line of JSON for each run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TYPE = "transfer"


@dataclass(frozen=True, slots=True)
class Record:
    """One run; sizes in bytes.

    Attributes:
        bench: The benchmark that it belongs to: a file may hold several.
        bytes: Both ways over the link, as the relay counted them.
        seconds: From the start of the method's process to its end.
        memory_here: Peak of its processes here.
        memory_there: Peak of its processes on the server, its engine apart.
        memory_engine: By how much the server's engine grew.
        free_there: Memory that the server had free before.
        image: Size of the image.
        layer: Size of its largest layer, the base apart.
        said: What the method says of itself; FTL does.
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
        """What it shares with the runs that it is compared with in pairs."""
        return self.bench, self.repetition

    def line(self) -> str:
        """As JSON."""
        return json.dumps({"type": TYPE, **asdict(self)})


def read(path: Path) -> list[Record]:
    """The runs of a file of such lines; other lines are passed over."""
    known = {each.name for each in fields(Record)}
    found: list[Record] = []
    for line in path.read_text().splitlines():
        values = json.loads(line)
        if values.get("type") == TYPE:
            found.append(Record(**{name: value for name, value in values.items() if name in known}))
    return found
