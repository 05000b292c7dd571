"""The script that writes daemon.json, in a folder, with an engine that starts or does not."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from ftl.common.files import CHANGED_MEANWHILE
from ftl.common.programs import program
from ftl.server.setup import scripts
from ftl.server.setup.apply.failures import step_failed
from ftl.server.setup.plan.steps import DisableLiveRestore, WriteDaemonSettings

if TYPE_CHECKING:
    from pathlib import Path

OURS = json.dumps({"live-restore": True})
STUBS = """
has_systemd() { false; }
restart_engine() { eval "$restart"; }
engine_answers() { [ -e "$state/answers" ]; }
reload_live_restore() { eval "$restart"; [ -e "$state/answers" ]; }
engine_log() { echo no such setting; }
daemon_file=$state/docker/daemon.json
"""


def run(
    folder: Path, step: WriteDaemonSettings | DisableLiveRestore, *, restart: str = ":"
) -> tuple[int, str]:
    """Run a step; `restart` is what happens while the engine restarts or reads its settings again."""
    root_shell = files(scripts).joinpath("root_shell.sh").read_text()
    text = program("ftl.common", "scripts/replace_file.sh") + root_shell[root_shell.index("put() {") :]
    text += files(scripts).joinpath("engine.sh").read_text()
    argv = (
        "sh",
        "-c",
        f'state={folder}\n{text}{STUBS}\nrestart=$1\nshift\ndo_{step.kind} "$@"',
        "sh",
        restart,
    )
    done = subprocess.run((*argv, *step.arguments), check=False, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A server's daemon.json, with passwords of a proxy."""
    (tmp_path / "answers").touch()
    file = tmp_path / "docker/daemon.json"
    file.parent.mkdir()
    file.write_text('{"debug": false}')
    file.chmod(0o600)
    return file


STEPS = (
    WriteDaemonSettings(OURS.encode(), b'{"debug": false}', (), restart=True, live=True),
    DisableLiveRestore(OURS.encode(), b'{"debug": false}'),
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_settings_that_somebody_has_changed_meanwhile_are_kept(
    step: WriteDaemonSettings | DisableLiveRestore, settings: Path, tmp_path: Path
) -> None:
    """They are written as they were read, with their mode, and not over anything else; the error says what to do."""
    assert run(tmp_path, step)[0] == 0
    assert (settings.read_text(), settings.stat().st_mode & 0o777) == (OURS, 0o600)

    settings.write_text('{"dns": ["192.0.2.1"]}')
    status, log = run(tmp_path, step, restart="exit 9")
    assert (status, settings.read_text()) == (CHANGED_MEANWHILE, '{"dns": ["192.0.2.1"]}')
    error = step_failed(step, log.splitlines(), server="shop")
    assert error.cause == f"{settings} was changed meanwhile by somebody else, and was left alone"
    assert "again: it keeps what was changed" in (error.hint or "")


@pytest.mark.parametrize("before", ['{"debug": false}', None])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_what_somebody_writes_while_the_engine_restarts_is_kept(
    step: WriteDaemonSettings | DisableLiveRestore, before: str | None, settings: Path, tmp_path: Path
) -> None:
    """An engine that does not accept ours gets its old file back, unless it has another by then."""
    if before is None:
        settings.unlink()
    step = replace(step, seen=None if before is None else before.encode())
    (tmp_path / "answers").unlink()
    assert run(tmp_path, step)[0] == 1
    assert (settings.read_text() if settings.exists() else None) == before
    theirs = f"echo theirs > {settings}"
    assert run(tmp_path, step, restart=theirs)[0] == 1
    assert settings.read_text() == "theirs\n"
