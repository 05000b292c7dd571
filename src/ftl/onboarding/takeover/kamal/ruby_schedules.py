"""Schedules of Ruby apps: config/schedule.rb of whenever, recurring tasks of Solid Queue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.onboarding.takeover.draft import Draft

_WHENEVER = "config/schedule.rb"
_RECURRING = "config/recurring.yml"
_EVERY = re.compile(r"^\s*every\b", re.MULTILINE)
_TASK = re.compile(r"^\s+(?:class|command):\s", re.MULTILINE)


def report_ruby_schedules(draft: Draft, top: Path) -> None:
    """Report the files with schedules, and what starts them here.

    Args:
        draft: The draft, with its services.
        top: The folder of the app.
    """
    folder = AppFolder(top)
    web = next(
        (name for name, keys in draft.services.items() if "routes" in keys), next(iter(draft.services))
    )
    if _EVERY.search(folder.read(_WHENEVER)):
        todo = "whenever makes a crontab of it: `bundle exec whenever` prints its lines"
        _needs_you(draft, web, _WHENEVER, f"{todo}; {_as_job(web)}")
    if not _TASK.search(folder.read(_RECURRING)):
        return
    if runner := next((name for name, keys in draft.services.items() if _runs_solid_queue(keys)), ""):
        what = f"nothing to write: Solid Queue in {runner} starts these tasks, each once, also while two of it run"
        draft.report.add(_RECURRING, Verdict.CHANGED, what)
    else:
        todo = "no service runs Solid Queue, which starts these tasks: add one with `command: bin/jobs`"
        _needs_you(draft, web, _RECURRING, f"{todo}, or {_as_job(web)}")


def _as_job(service: str) -> str:
    return f"write each as one of the `jobs`, {{name: ..., service: {service}, schedule: ..., command: ...}}"


def _needs_you(draft: Draft, service: str, file: str, todo: str) -> None:
    draft.report.add(file, Verdict.NEEDS_YOU, todo)
    draft.note(service, f"{file}: {todo}")


def _runs_solid_queue(keys: dict[str, object]) -> bool:
    """Whether a service runs it: as a process, or inside Puma."""
    command, env = keys.get("command", ""), keys.get("env")
    line = command if isinstance(command, str) else " ".join(command) if isinstance(command, tuple) else ""
    in_puma = env.get("SOLID_QUEUE_IN_PUMA") if isinstance(env, dict) else None
    return "bin/jobs" in line or "solid_queue" in line or in_puma not in (None, "", "false")
