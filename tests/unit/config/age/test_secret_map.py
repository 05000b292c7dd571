"""The text of an age file: one value is set, the rest stays as it is."""

from __future__ import annotations

import pytest

from ftl.config.age.age_file import parse_map, with_value
from ftl.errors import ConfigError

FILE = "secrets.yaml.age"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'A: "new"\n'),
        ("# of prod\nB: 1\n", '# of prod\nB: 1\nA: "new"\n'),
        ("B: 1", 'B: 1\nA: "new"\n'),
        ("A: old # why\nB: 1\n", 'A: "new" # why\nB: 1\n'),
        ("A: |\n  x\n  y\n\n# next\nB: 1\n", 'A: "new"\n# next\nB: 1\n'),
        ("A:\nB: 1\n", 'A: "new"\nB: 1\n'),
        ("{A: x, B: y}\n", 'A: "new"\nB: "y"\n'),
        ("---\nB: 1\n...\n", None),
    ],
)
def test_a_value_is_set_and_the_rest_stays(text: str, expected: str | None) -> None:
    """Comments and the order of the lines too, where YAML allows it."""
    made = with_value(text, "A", "new", FILE)
    assert parse_map(made, FILE) == {**parse_map(text, FILE), "A": "new"}
    if expected is not None:
        assert made == expected


@pytest.mark.parametrize(
    "value",
    [
        "x",
        " x ",
        "a: b # c",
        "'\"\\",
        "two\nlines\n",
        "é\U0001f600",
        "tab\tx",
        "- x",
        "\n",
        "no",
        "~",
        "$x ${Y}",
        "\x1b[1m",
    ],
)
def test_every_value_comes_back_as_it_was(value: str) -> None:
    """Quotes, line breaks, control characters, and texts that YAML has another meaning for."""
    text = with_value("# first\nB: 1\n", "A", value, FILE)
    assert parse_map(text, FILE) == {"B": "1", "A": value}
    assert text.startswith("# first\nB: 1\n")
    assert parse_map(with_value(text, "B", "2", FILE), FILE) == {"B": "2", "A": value}


@pytest.mark.parametrize("text", ["- a\n", "A: [x]\n", "A: {b: c}\n", "A: 1\nA: 2\n", "a-b: c\n", "A: 'x\n"])
def test_a_text_that_is_no_map_is_refused_without_a_quote(text: str) -> None:
    """No line of the decrypted text is in the message."""
    with pytest.raises(ConfigError) as caught:
        parse_map(text, FILE)
    assert all(problem.source == "" for problem in caught.value.problems)
