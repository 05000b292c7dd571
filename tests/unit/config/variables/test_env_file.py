"""The parser of .env and env files: quotes, escapes, comments, interpolation, and places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.variables.env_file import parse_env_file
from ftl.config.yaml.locations import SourceFile

if TYPE_CHECKING:
    from ftl.errors import Problem


def parsed(text: str, **environment: str) -> dict[str, str]:
    """The values of a file without problems."""
    variables, problems = parse_env_file(SourceFile(".env", text, confidential=True), environment)
    assert problems == []
    return {name: variable.value for name, variable in variables.items()}


def refused(text: str, **environment: str) -> list[Problem]:
    """The problems of a file."""
    return parse_env_file(SourceFile(".env", text, confidential=True), environment)[1]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\n# comment\n\nB=two words\n", {"A": "1", "B": "two words"}),
        ("A=1", {"A": "1"}),
        ("A=1 # comment\nB=a#b\nC=#fff\nD= # comment\n", {"A": "1", "B": "a#b", "C": "#fff", "D": ""}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=\nB=''\nC=\"\"\n", {"A": "", "B": "", "C": ""}),
        ("  A = 1 \n\tB=\t2\t\n", {"A": "1", "B": "2"}),
        ("A: 1\nB: http://x\n", {"A": "1", "B": "http://x"}),
        ("discovery.type=single-node\n", {"discovery.type": "single-node"}),
        ("export A='single $x'\nexport=1\n", {"A": "single $x", "export": "1"}),
        ("A='1' # comment\nB=\"2\"# comment\n", {"A": "1", "B": "2"}),
        ("A='line 1\nline 2'\nB=\"line 1\nline 2\"\n", {"A": "line 1\nline 2", "B": "line 1\nline 2"}),
        ('A="line 1\\nline 2"\n', {"A": "line 1\nline 2"}),
        ('A="it\'s \\"x\\""\n', {"A": 'it\'s "x"'}),
        ("A='it\\'s'\n", {"A": "it's"}),
        ("A=1\nA=2\n", {"A": "2"}),
    ],
)
def test_values_are_read_by_the_rules_of_compose(text: str, values: dict[str, str]) -> None:
    """Quotes, comments, white space, line ends and exports are understood."""
    assert parsed(text) == values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'A="x\$y"', "x$y"),
        (r'A="x\${B}"', "x${B}"),
        (r"A='C:\\new'", r"C:\\new"),
        (r'A="C:\\new"', r"C:\new"),
        (r'A="\t\\\w"', "\t\\\\w"),
        (r'A="\0101"', "A"),
        (r"A=C:\new", r"C:\new"),
        ("A=pa$word", "pa$word"),
        ("A=pa$$word", "pa$word"),
        ("A='pa$$word ${B}'", "pa$$word ${B}"),
    ],
)
def test_dollars_and_backslashes_mean_what_they_mean_in_compose(text: str, value: str) -> None:
    """Single quotes keep everything, double quotes have escapes, and a dollar without braces is ordinary."""
    assert parsed(text) == {"A": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("HOST=db\nA=postgres://${HOST}/x\n", "postgres://db/x"),
        ('HOST=db\nA="postgres://${HOST}/x"\n', "postgres://db/x"),
        ("A=${SET}/${UNSET:-default}\n", "process/default"),
        ("SET=file\nA=${SET}\n", "process"),
        ("B='${SET}'\nA=${B}\n", "${SET}"),
    ],
)
def test_expressions_are_interpolated(text: str, value: str) -> None:
    """Variables of the environment win over lines above, and values are not interpolated again."""
    assert parsed(text, SET="process")["A"] == value


def test_a_name_alone_takes_its_value_from_the_environment() -> None:
    """Without a value in the environment it is not set at all."""
    assert parsed("KNOWN\nexport ALSO # comment\nUNKNOWN\n", KNOWN="1", ALSO="2") == {
        "KNOWN": "1",
        "ALSO": "2",
    }


def test_an_unset_variable_is_a_problem_of_its_line() -> None:
    """The message names the variable, not the rest of the value, and the hint says how to keep the text."""
    (problem,) = refused("A=1\nB=hunter2${GONE}\n")
    assert (problem.file, problem.line, problem.message) == (".env", 2, "the variable GONE is not set")
    assert "hunter2" not in str(problem)
    assert "single quotes" in (problem.hint or "")


def test_a_value_that_is_not_used_may_be_wrong() -> None:
    """A line whose variable the environment has is not interpolated."""
    source = SourceFile(".env", "A=${GONE}\n")
    assert parse_env_file(source, {"A": "1"}, overridden={"A"}) == ({}, [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("A=1\n\n'x\nB=2\n", [3]),
        ("just words\nA=1\n", [1]),
        ("=1\n", [1]),
        ("A='open\nB=2\n", [1]),
        ("A='x'y\n", [1]),
        ("A=1\n# c\n'x\n'y\nB=2", [3, 4]),
    ],
)
def test_lines_that_cannot_be_parsed_are_numbered(text: str, lines: list[int]) -> None:
    """Each is a problem with its line, without its text, which may be a secret."""
    problems = refused(text)
    assert [problem.line for problem in problems] == lines
    assert {problem.source for problem in problems} == {""}


def test_a_variable_knows_its_line() -> None:
    """The place of a variable is where its statement begins, also behind values of several lines."""
    text = "A='1\n2'\n# comment\n  B=3\n"
    variables, _ = parse_env_file(SourceFile("x.env", text), {})
    places = {
        name: (variable.location.line, variable.location.column)
        for name, variable in variables.items()
        if variable.location
    }
    assert places == {"A": (1, 1), "B": (4, 3)}
    assert variables["B"].origin == "x.env:4"


@given(st.text(alphabet=st.sampled_from(list("AB=:'\"\\${}# \n\r\texport")), max_size=60))
def test_any_text_is_parsed_or_refused_with_lines(text: str) -> None:
    """No text makes the parser fail, and no problem lies behind the end of the file."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= problem.line <= lines for problem in refused(text))


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\r\0")))
def test_single_quotes_keep_any_text(value: str) -> None:
    """Every text without a quote in it comes out of single quotes as it went in."""
    if not value.endswith("\\"):
        assert parsed(f"A='{value}'\n") == {"A": value}
