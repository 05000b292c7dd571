"""Run `ftl` in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest

from ftl.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence


class Outcome(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON result: the last line of stdout."""
        record = json.loads(self.out.splitlines()[-1])
        assert isinstance(record, dict)
        return record


class Cli(Protocol):
    """Runs `ftl` with these arguments."""

    def __call__(self, arguments: Sequence[str]) -> Outcome: ...


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `ftl` as a shell does, in this process."""

    def run(arguments: Sequence[str]) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        code = exited.value.code or 0
        assert isinstance(code, int)
        return Outcome(code, *capsys.readouterr())

    return run
