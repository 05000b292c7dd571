"""Variables: the grammar, where values come from, and that values stay as they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.variables import InterpolationError, interpolate, read_env_file, variables

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {"SET": "value", "EMPTY": "", "DOLLAR": "pa$$word ${SET}"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${SET}", "value"),
        ("$SET", "$SET"),
        ("$SET/x", "$SET/x"),
        ("${EMPTY}", ""),
        ("a${SET}b${SET}c", "avaluebvaluec"),
        ("${SET:-x}", "value"),
        ("${EMPTY:-x}", "x"),
        ("${UNSET:-x}", "x"),
        ("${UNSET:-}", ""),
        ("${EMPTY-x}", ""),
        ("${UNSET-x}", "x"),
        ("${SET:?must}", "value"),
        ("${EMPTY?must}", ""),
        ("${SET:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${UNSET+x}", ""),
        ("${UNSET:-${SET}}", "value"),
        ("${UNSET:-${ALSO:-${SET}-x}}", "value-x"),
        ("${UNSET:-a}b}", "ab}"),
        ("${UNSET:-$$}", "$"),
        ("${UNSET:-:-?+}", ":-?+"),
        ("${SET:-${UNSET}}", "value"),
        ("${SET:-${UNSET:?never}}", "value"),
        ("${UNSET+${ALSO}}", ""),
        ("$$", "$"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$$SET"),
        ("$$$$", "$$"),
        ("$5 $( $. $", "$5 $( $. $"),
        ("${DOLLAR}", "pa$$word ${SET}"),
        ("${UNSET:-${DOLLAR}}", "pa$$word ${SET}"),
        ("}{", "}{"),
        ("é${SET}ü", "évalueü"),
    ],
)
def test_expressions_mean_what_compose_means_by_them(text: str, filled: str) -> None:
    """Each expression is replaced by its value, and a value is never looked through again."""
    assert interpolate(text, KNOWN).text == filled


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("a ${UNSET}", "the variable UNSET is not set", 2),
        ("${UNSET:?ask the vault}", "the variable UNSET is not set: ask the vault", 0),
        ("${EMPTY:?}", "the variable EMPTY is empty", 0),
        ("${UNSET?}", "the variable UNSET is not set", 0),
        ("${A:-${B}}", "the variable B is not set", 5),
        ("x${SET", "`${SET` is not closed", 1),
        ("${SET:-x", "`${SET` is not closed", 0),
        ("${UNSET:-${SET}", "`${UNSET` is not closed", 0),
        ("${", "`${` must be followed by the name of a variable", 0),
        ("${}", "`${` must be followed by the name of a variable", 0),
        ("${1}", "`${` must be followed by the name of a variable", 0),
        ("${SET/a/b}", "`${SET` is followed by `/`, which means nothing here", 0),
        ("${SET:x}", "`${SET` is followed by `:`, which means nothing here", 0),
        ("${SET }", "`${SET` is followed by ` `, which means nothing here", 0),
    ],
)
def test_an_expression_without_a_value_is_named_with_its_place(text: str, message: str, offset: int) -> None:
    """Unset and required variables and malformed expressions say which one it is and where it begins."""
    with pytest.raises(InterpolationError) as caught:
        interpolate(text, KNOWN)
    assert (caught.value.message, caught.value.offset) == (message, offset)
    assert text.startswith(caught.value.expression, offset)


def test_a_misspelt_variable_is_recognised() -> None:
    """The name of a variable that is set and looks like the missing one is suggested, never its value."""
    with pytest.raises(InterpolationError) as caught:
        interpolate("${SECRETKEY}", {"SECRET_KEY": "s3cr3t", "PATH": "/bin"})
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean `SECRET_KEY`? Or set it in the environment")
    assert "s3cr3t" not in caught.value.hint


def test_an_expression_cannot_be_nested_without_end() -> None:
    """Nesting is limited, so that a file cannot exhaust the stack."""
    with pytest.raises(InterpolationError, match="nested deeper"):
        interpolate("${A:-" * 1000 + "}" * 1000, {})


def test_what_comes_from_a_variable_is_masked_and_defaults_are_not() -> None:
    """The masked text hides values, not what the file itself says."""
    filled = interpolate("curl -H ${SET} ${UNSET:-default} ${EMPTY} $$", KNOWN)
    assert filled.masked == "curl -H ******** default  $"


def test_the_message_of_a_required_variable_shows_no_value() -> None:
    """A message that holds a variable shows its name's mask, for it may be a secret."""
    with pytest.raises(InterpolationError) as caught:
        interpolate("${UNSET:?not like ${SET}}", KNOWN)
    assert "value" not in caught.value.message


@given(st.text(), st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.text()))
def test_any_text_is_filled_or_refused(text: str, known: dict[str, str]) -> None:
    """No text makes the grammar fail in another way than by its own error."""
    with suppress(InterpolationError):
        interpolate(text, known)


@given(st.text())
def test_doubling_dollars_keeps_any_text(text: str) -> None:
    """A text with every dollar sign doubled comes out as it was."""
    assert interpolate(text.replace("$", "$$"), {}).text == text


@given(st.text(), st.text(alphabet="ab $"), st.text(alphabet="ab "))
def test_a_value_comes_out_as_it_went_in(value: str, before: str, after: str) -> None:
    """Whatever a variable holds stands in the text unchanged."""
    before = before.replace("$", "$$")
    assert (
        interpolate(f"{before}${{NAME}}{after}", {"NAME": value}).text
        == before.replace("$$", "$") + value + after
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\n# comment\n\nB=two words\n", {"A": "1", "B": "two words"}),
        ("PASSWORD=pa$word ${A}\n", {"PASSWORD": "pa$word ${A}"}),
        ("export A='single $x'\n", {"A": "single $x"}),
        ('A="line 1\\nline 2"\n', {"A": "line 1\nline 2"}),
        ('A="line 1\nline 2"\n', {"A": "line 1\nline 2"}),
        ("A=1 # comment\nB=a#b\n", {"A": "1", "B": "a#b"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=\n", {"A": ""}),
        ("KNOWN\nUNKNOWN\n", {"KNOWN": "from here"}),
        ("discovery.type=single-node\n", {"discovery.type": "single-node"}),
    ],
)
def test_a_file_of_variables_is_read_without_touching_dollars(text: str, values: dict[str, str]) -> None:
    """Quotes, comments and exports are understood; `$` is an ordinary character."""
    assert read_env_file(text, {"KNOWN": "from here"}) == (values, [])


def test_lines_of_a_file_of_variables_that_cannot_be_read_are_numbered() -> None:
    """The numbers of bad lines are told, not their text, which may be a secret."""
    assert read_env_file("A=1\n\n'x\nB=2\n", {}) == ({"A": "1", "B": "2"}, [3])


def test_the_environment_wins_over_the_file_beside(tmp_path: Path) -> None:
    """.env fills in what the environment does not have."""
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    assert variables(tmp_path, {"A": "environment"}) == {"A": "environment", "B": "file"}


def test_a_folder_without_env_has_the_environment_alone(tmp_path: Path) -> None:
    """.env need not be there."""
    assert variables(tmp_path, {"A": "1"}) == {"A": "1"}
