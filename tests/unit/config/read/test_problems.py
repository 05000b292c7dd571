"""The collector of problems: each once, file by file, unset variables together."""

from __future__ import annotations

from ftl.config.read.problems import Problems
from ftl.config.yaml.locations import Location, SourceFile

BASE = SourceFile("ftl.yaml", "\n" * 20)
OVERLAY = SourceFile("ftl.production.yaml", "\n" * 20)


def messages(problems: Problems) -> list[tuple[str, int, str]]:
    """File, line and message of each."""
    return [(problem.file, problem.line, problem.message) for problem in problems.sorted()]


def test_problems_come_once_file_by_file_in_the_order_of_lines() -> None:
    """An alias leads twice to the same value; the files come in the order of their first problem."""
    problems = Problems()
    for file, line in ((BASE, 9), (OVERLAY, 2), (BASE, 3), (BASE, 9), (OVERLAY, 1)):
        problems.add(Location(file, line, 1), "wrong")
    assert [(file, line) for file, line, _ in messages(problems)] == [
        ("ftl.yaml", 3),
        ("ftl.yaml", 9),
        ("ftl.production.yaml", 1),
        ("ftl.production.yaml", 2),
    ]


def test_uses_of_an_unset_variable_are_one_problem() -> None:
    """At the first use, with the message of that; the other places follow, a line once, other files by name."""
    problems = Problems()
    problems.add_unset("A", Location(BASE, 9, 1, 90), "A is not set", "set it")
    problems.add_unset("A", Location(BASE, 3, 5, 30), "A is not set: needed", "set A")
    problems.add_unset("A", Location(BASE, 3, 9, 34), "A is not set", "set it")
    problems.add_unset("A", Location(OVERLAY, 2, 1, 5), "A is not set", "set it")
    problems.add_unset("B", Location(BASE, 4, 1, 40), "B is not set", None)
    assert messages(problems) == [
        ("ftl.yaml", 3, "A is not set: needed; also used at line 9 and ftl.production.yaml:2"),
        ("ftl.yaml", 4, "B is not set"),
    ]
