"""The list of faults that were found once: every case has a test that exists."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.harness import ROOT

TESTS = ROOT / "tests"
ROWS = [
    (case.strip(), re.findall(r"`([^`]+::[^`]+)`", tests))
    for case, tests in re.findall(
        r"^\| (.+) \| (.+) \|$", (TESTS / "faults/cases.md").read_text(), re.MULTILINE
    )
    if case != "case"
]


@cache
def functions(file: str) -> frozenset[str]:
    """Names of the functions in a file of tests; none if there is no such file."""
    path = TESTS / file
    return (
        frozenset(re.findall(r"^(?:async )?def (\w+)", path.read_text(), re.MULTILINE))
        if path.exists()
        else frozenset()
    )


@pytest.mark.parametrize(("case", "tests"), ROWS, ids=[case[:40] for case, _ in ROWS])
def test_every_case_has_a_test(case: str, tests: list[str]) -> None:
    """Each test that a case names is in its file, under its name."""
    assert tests, case
    missing = [test for test in tests if test.partition("::")[2] not in functions(test.partition("::")[0])]
    assert not missing


def test_no_case_was_lost() -> None:
    """The list grows: a case is not taken out because its test is in the way."""
    assert len(ROWS) >= 86
