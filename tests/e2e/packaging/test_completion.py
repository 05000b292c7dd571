"""Completion as a user has it: bash, zsh and fish on a terminal, and the Tab key."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.prepare import Tool, ensure

SECONDS = 60.0
"""For the start of a shell and a few key presses, on a busy machine."""

START_OF_LINE = "\x01"
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?<>=]*[@a-zA-Z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose home is also a project's folder; `ftl` is on PATH."""
    (tmp_path / "ftl.yaml").write_text(
        "project: {name: shop}\nservices: [{name: web, image: x}, {name: worker, image: x}]\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(tmp_path), "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "completed"),
    [("ftl depl", "ftl deploy"), ("ftl logs wor", "ftl logs worker"), ("ftl deploy --wait", "ftl deploy --wait-lock")],
)  # fmt: skip
def test_the_tab_key(home: dict[str, str], shell: str, typed: str, completed: str) -> None:
    """After `ftl completion install`, a new shell completes commands, names of ftl.yaml and options."""
    ensure((Tool("zsh", "zsh"), Tool("fish", "fish")))
    subprocess.run(
        ("ftl", "completion", "install", shell), env=home, cwd=home["HOME"], check=True, capture_output=True
    )
    # The completed line is not run but printed, behind a sign that the line itself does not begin with
    screen = _type((shell, "-i"), home, f"{typed}\t{START_OF_LINE}echo :\r", f":{completed}")
    assert re.search(rf"^:{completed}\s*$", screen, re.MULTILINE), screen


def _type(argv: tuple[str, ...], env: dict[str, str], keys: str, awaited: str) -> str:
    """What a program shows on a terminal until a line appears, without colours and moves of the cursor."""
    main, other = pty.openpty()
    program = ("setsid", "--ctty", *argv)  # fish demands a terminal that is its own
    with subprocess.Popen(
        program, stdin=other, stdout=other, stderr=other, env=env, cwd=env["HOME"]
    ) as process:
        os.close(other)
        shown = _read(main, quiet=1.0, pattern=r"(?!)")  # until it waits
        os.write(main, keys.encode())
        shown += _read(main, quiet=SECONDS, pattern=rf"^{awaited}\s*$")
        process.kill()
    os.close(main)
    return _plain(shown)


def _read(descriptor: int, *, quiet: float, pattern: str) -> bytes:
    """Output until a line matches, nothing comes for some seconds after the first of it, or time is up."""
    shown, until = b"", time.monotonic() + SECONDS
    while time.monotonic() < until and not re.search(pattern, _plain(shown), re.MULTILINE):
        if select.select([descriptor], [], [], quiet if shown else SECONDS)[0]:
            try:
                shown += os.read(descriptor, 4096)
            except OSError:  # the program has ended
                break
        else:
            break
    return shown


def _plain(shown: bytes) -> str:
    return _ESCAPES.sub("", shown.decode(errors="replace")).replace("\r", "\n")
