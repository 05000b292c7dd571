"""Interpolation: the grammar of `${...}`, masks, and values that stay as they are."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.variables.interpolation import InterpolationError, interpolate

UNSET: dict[str, str] = {}
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
    assert interpolate(text, KNOWN.get).text == filled


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
        ("${SET/a/b}", "`${SET` is followed by `/`, which is not an operator", 0),
        ("${SET:x}", "`${SET` is followed by `:`, which is not an operator", 0),
        ("${SET }", "`${SET` is followed by ` `, which is not an operator", 0),
    ],
)
def test_an_expression_without_a_value_is_named_with_its_place(text: str, message: str, offset: int) -> None:
    """Unset and required variables and malformed expressions say which one it is and where it begins."""
    with pytest.raises(InterpolationError) as caught:
        interpolate(text, KNOWN.get)
    assert (caught.value.message, caught.value.offset) == (message, offset)
    assert text.startswith(caught.value.expression, offset)


def test_the_variable_of_a_whole_text_is_known() -> None:
    """A text that is the value of one variable names it; a text with any other part names none."""
    assert interpolate("${SET}", KNOWN.get).source_variable == "SET"
    assert interpolate("${EMPTY:-${SET}}", KNOWN.get).source_variable == "SET"
    assert interpolate("x${SET}", KNOWN.get).source_variable is None
    assert interpolate("${SET}${SET}", KNOWN.get).source_variable is None
    assert interpolate("${EMPTY:-x}", KNOWN.get).source_variable is None


def test_a_variable_that_is_not_used_is_not_looked_up() -> None:
    """A default that is not needed costs nothing: looking up a secret may start a program."""
    asked: list[str] = []

    def lookup(name: str) -> str | None:
        asked.append(name)
        return KNOWN.get(name)

    interpolate("${SET:-${SECRET:-${OTHER}}} ${SET+${EMPTY}}", lookup)
    assert asked == ["SET", "SET", "EMPTY"]


def test_an_expression_cannot_be_nested_without_end() -> None:
    """Nesting is limited, so that a file cannot exhaust the stack."""
    with pytest.raises(InterpolationError, match="nested deeper"):
        interpolate("${A:-" * 1000 + "}" * 1000, UNSET.get)


def test_what_comes_from_a_variable_is_masked_and_defaults_are_not() -> None:
    """The masked text hides values, not what the file itself says."""
    filled = interpolate("curl -H ${SET} ${UNSET:-default} ${EMPTY} $$", KNOWN.get)
    assert filled.masked == "curl -H ******** default  $"


def test_the_message_of_a_required_variable_shows_no_value() -> None:
    """A message that holds a variable shows its name's mask, for it may be a secret."""
    with pytest.raises(InterpolationError) as caught:
        interpolate("${UNSET:?not like ${SET}}", KNOWN.get)
    assert "value" not in caught.value.message


@given(st.text(), st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.text()))
def test_any_text_is_filled_or_refused(text: str, known: dict[str, str]) -> None:
    """No text makes the grammar fail in another way than by its own error."""
    with suppress(InterpolationError):
        interpolate(text, known.get)


@given(st.text())
def test_doubling_dollars_keeps_any_text(text: str) -> None:
    """A text with every dollar sign doubled comes out as it was."""
    assert interpolate(text.replace("$", "$$"), UNSET.get).text == text


@given(st.text(), st.text(alphabet="ab $"), st.text(alphabet="ab "))
def test_a_value_comes_out_as_it_went_in(value: str, before: str, after: str) -> None:
    """Whatever a variable holds stands in the text unchanged."""
    before = before.replace("$", "$$")
    assert (
        interpolate(f"{before}${{NAME}}{after}", {"NAME": value}.get).text
        == before.replace("$$", "$") + value + after
    )
