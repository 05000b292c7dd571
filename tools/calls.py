"""The commands that the demo is made of, called as a user calls them."""

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
    """A command did not do its work; said in a sentence."""


def say(text: str) -> None:
    """Tell whoever watches."""
    print(text, flush=True)


def ftl(*argv: str, cwd: Path = ROOT, env: Mapping[str, str]) -> dict[str, object]:
    """Run `ftl ... --json`, show its progress as it comes, and return its result object.

    Raises:
        DemoError: It exited with a status other than 0; with what it says about that.
    """
    result: dict[str, object] = {}
    with subprocess.Popen(
        [FTL, *argv, "--json"], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            result = json.loads(line)
            if progress := in_words(result):
                say(f"  {progress}")
    if process.returncode != 0:
        raise DemoError(f"`ftl {' '.join(argv)}` exited with {process.returncode}\n{why(result)}")
    return result


def in_words(event: Mapping[str, object]) -> str | None:
    """The events that are worth a line here."""
    match event:
        case {"type": "note", "text": text}:
            return str(text)
        case {"type": "build_finished", "service": service, "built": True, "seconds": float(seconds)}:
            return f"built {service} ({seconds:.1f} s)"
        case {"type": "step_finished", "text": text, "seconds": float(seconds)}:
            return f"{text} ({seconds:.1f} s)"
    return None


def why(result: Mapping[str, object]) -> str:
    """The error in a result object, as lines."""
    error = result.get("error")
    if not isinstance(error, dict):
        return ""
    parts = (error.get("message"), error.get("cause"), error.get("hint"), *error.get("details", ()))
    return "\n".join(str(part) for part in parts if part)


def lab(*argv: str) -> None:
    """Run a command of the lab.

    Raises:
        DemoError: It exited with a status other than 0; it has said why on stderr.
    """
    if subprocess.run([sys.executable, "-m", "lab", *argv], cwd=ROOT, stdin=subprocess.DEVNULL).returncode:
        raise DemoError(f"`python -m lab {' '.join(argv)}` failed")


def docker(*argv: str) -> str:
    """Run a docker command that must succeed.

    Returns:
        Its stdout.

    Raises:
        DemoError: With its own words.
    """
    done = subprocess.run(["docker", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"`docker {' '.join(argv)}`: {done.stderr.strip()}")
    return done.stdout
