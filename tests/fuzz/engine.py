"""Fuzzing of one target in this process: `python -m tests.fuzz.engine TARGET [LIBFUZZER-OPTION...]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ftl"]):
    from tests.fuzz.targets import run


def main() -> None:
    """Run libFuzzer; it ends the process."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
