"""Kamal's health checks, of its proxy and of Kamal 1: `health_check` of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.takeover.nodes import entries
from ftl.onboarding.takeover.report import UNKNOWN_KEY, Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_SAME = {"path": "path", "interval": "interval", "timeout": "timeout", "max_attempts": "retries"}
_ELSEWHERE = ("port",)
_LEFT_OUT = {
    "cord": "new containers get requests after their health check, and old ones finish theirs",
    "exposed_port": "the check needs no port of the server",
    "log_lines": "a failed release keeps the last lines of its containers",
}
_COMMAND = (
    "FTL asks over HTTP: write `health_check.path`; for a command, `container.health_check` of the service"
)


def health_check_of(kamal: KamalConversion, node: Node | None, path: str) -> dict[str, object]:
    """The health check, by default at Kamal's path; each key but the port has a row."""
    found: dict[str, object] = {"path": "/up"}
    for key, value in entries(node).items():
        row = f"{path}.{key}"
        if key in _SAME:
            if written := kamal.text(value):  # without a value, Kamal has its default
                found[_SAME[key]] = written
                kamal.add(row, Verdict.CHANGED, f"health_check.{_SAME[key]}", value)
            else:
                kamal.add(row, Verdict.LEFT_OUT, "it has no value that is a text or a number", value)
        elif key in _LEFT_OUT:
            kamal.add(row, Verdict.LEFT_OUT, _LEFT_OUT[key], value)
        elif key not in _ELSEWHERE:
            todo = _COMMAND if key == "cmd" else UNKNOWN_KEY
            kamal.add(row, Verdict.NEEDS_YOU, todo, value)
    return found
