"""Commands of the demo, called as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent
FTL = Path(sys.executable).parent / "ftl"


class DemoError(Exception):
    """A command failed; the message is a sentence."""


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def ftl(*argv: str, cwd: Path = ROOT, env: Mapping[str, str]) -> dict[str, object]:
    """Run `ftl ... --json`, print its progress, and return its result object.

    Raises:
        DemoError: It exited with a status other than 0; with its error message.
    """
    result: dict[str, object] = {}
    with subprocess.Popen(
        [FTL, *argv, "--json"], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            result = json.loads(line)
            if progress := progress_line(result):
                say(f"  {progress}")
    if process.returncode != 0:
        raise DemoError(f"`ftl {' '.join(argv)}` exited with {process.returncode}\n{error_lines(result)}")
    return result


def progress_line(event: Mapping[str, object]) -> str | None:
    """One line for an event that the demo shows; None for others."""
    match event:
        case {"type": "note", "text": text}:
            return str(text)
        case {"type": "build_finished", "service": service, "built": True, "seconds": float(seconds)}:
            return f"built {service} ({seconds:.1f} s)"
        case {"type": "step_finished", "text": text, "seconds": float(seconds)}:
            return f"{text} ({seconds:.1f} s)"
    return None


def error_lines(result: Mapping[str, object]) -> str:
    """The error in a result object, as lines."""
    error = result.get("error")
    if not isinstance(error, dict):
        return ""
    parts = (error.get("message"), error.get("cause"), error.get("hint"), *error.get("details", ()))
    return "\n".join(str(part) for part in parts if part)


def lab(*argv: str) -> None:
    """Run a command of the lab.

    Raises:
        DemoError: It exited with a status other than 0; the reason is on stderr.
    """
    if subprocess.run([sys.executable, "-m", "lab", *argv], cwd=ROOT, stdin=subprocess.DEVNULL).returncode:
        raise DemoError(f"`python -m lab {' '.join(argv)}` failed")


def docker(*argv: str) -> str:
    """Run a docker command that must succeed.

    Returns:
        Its stdout.

    Raises:
        DemoError: It failed; with its stderr.
    """
    done = subprocess.run(["docker", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"`docker {' '.join(argv)}`: {done.stderr.strip()}")
    return done.stdout
