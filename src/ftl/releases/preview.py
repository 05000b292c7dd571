"""Preview as the server stores it: an environment that the server removes by itself.

The file `preview.json` in the folder of the project's release records says so. The server's cron reads it
(`host/scripts/expire.sh`): its first value is the time at which the preview ends.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from ftl.common.json_fields import as_float, as_object, as_str, parse_json
from ftl.dataclass import dataclass

FILE = "preview.json"

LASTS_SECONDS = 72 * 3600
"""Default of `ftl preview up --expires`; and time that one stays whose end is lost."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview of a project.

    Attributes:
        until: When the server removes it, Unix time in whole seconds.
        since: When it was first deployed, Unix time in seconds.
        name: Its name, that of its environment; empty where its file is damaged.
        of: The project's name in ftl.yaml, without that of the preview; empty likewise.
        url: Where it answers; empty: it has no routes.
    """

    until: int
    since: float
    name: str
    of: str
    url: str = ""
    by: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """The project that it is of, and its name: two can have the same project on the server."""
        return self.of, self.name

    def may_be(self, identity: tuple[str, str]) -> bool:
        """Whether it is the preview of this identity, as far as its file tells."""
        return not self.name or self.identity == identity

    def to_json(self) -> bytes:
        """The preview as it is stored; a shell reads the first value (`expire.sh`)."""
        return json.dumps(asdict(self)).encode() + b"\n"


def parse_preview(data: bytes) -> Preview | None:
    """Read a stored preview; None where it has ended."""
    try:
        stored = as_object(parse_json(data))
    except ValueError:
        return None
    until = as_float(stored.get("until"))
    if not until:
        return None
    return Preview(
        until=int(until),
        since=as_float(stored.get("since")),
        name=as_str(stored.get("name")),
        of=as_str(stored.get("of")),
        url=as_str(stored.get("url")),
        by=as_str(stored.get("by")),
    )
