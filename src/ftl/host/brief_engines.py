"""Engines without the short form of `GET /info`, remembered to save a round trip.

Such an engine refuses the first question, which costs a round trip: so that is remembered, and the next session asks
without a version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.user_files import cache_file, read_json, write_json

if TYPE_CHECKING:
    from ftl.engine.api import Engine

_FILE = "engines.json"


def may_be_brief(server: str) -> bool:
    """Whether to ask a server's engine for its brief info: unless it has refused that before."""
    return server not in read_json(cache_file(_FILE))


def note_refusal(engine: Engine) -> None:
    """Remember an engine that has refused to be brief."""
    if not engine.is_brief and may_be_brief(engine.name):
        write_json(cache_file(_FILE), {**read_json(cache_file(_FILE)), engine.name: {"brief": False}})
