"""Whole files: valid ones with their values, invalid ones with places and words.

A case is NAME.yaml in tests/configs/valid or invalid. Beside it: NAME.json, a map from dotted path to the value in
the resolved form; or NAME.txt, the line that must be named (or -) and then the words; NAME.env, variables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ftl.config.dump import dump
from ftl.config.schema import schema
from ftl.errors import ConfigError

from .conftest import environ_of, load_file

CASES = Path(__file__).parents[2] / "configs"
VALID = sorted(CASES.glob("valid/*.yaml"))
INVALID = sorted(CASES.glob("invalid/*.yaml"))
SCHEMA = Draft202012Validator(schema())


def put(case: Path, folder: Path) -> Path:
    """The case as the ftl.yaml of a folder."""
    path = folder / "ftl.yaml"
    path.write_bytes(case.read_bytes())
    return path


def at(value: Any, path: str) -> Any:
    """The value at a dotted path."""
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.stem)
def test_a_valid_file_has_the_values_it_is_meant_to_have(case: Path, folder: Path) -> None:
    """A valid file loads, and its resolved form holds the expected value at each path."""
    config = dump(load_file(put(case, folder), environ_of(case)), show_secrets=True)
    expected = json.loads(case.with_suffix(".json").read_text())
    missing = object()
    found = {path: value_or(missing, config, path) for path in expected}
    assert found == expected


def value_or(missing: object, config: Any, path: str) -> Any:
    """The value at a dotted path, or `missing`; a key with a dot in it is the last step."""
    try:
        return at(config, path)
    except (KeyError, IndexError, TypeError):
        return missing


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.stem)
def test_an_invalid_file_is_refused_at_the_line_and_with_the_words(case: Path, folder: Path) -> None:
    """An invalid file is refused with problems that name the expected line and words."""
    with pytest.raises(ConfigError) as caught:
        load_file(put(case, folder), environ_of(case))
    problems = caught.value.problems
    said = "\n".join(f"{p.file}:{p.line}:{p.column}: {p.message} {p.hint}" for p in problems).lower()
    line, *words = [word for word in case.with_suffix(".txt").read_text().splitlines() if word]
    assert line == "-" or f"ftl.yaml:{line}:" in said, said
    assert [word for word in words if word.lower() not in said] == [], said


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.stem)
def test_problems_come_in_the_order_of_the_file_with_their_lines(case: Path, folder: Path) -> None:
    """Each problem carries the text of its line, with its column inside, and none comes before an earlier one."""
    path = put(case, folder)
    with pytest.raises(ConfigError) as caught:
        load_file(path, environ_of(case))
    problems = caught.value.problems
    lines = path.read_text().split("\n")
    assert [problem.source for problem in problems] == [lines[problem.line - 1] for problem in problems]
    assert all(1 <= problem.column <= len(problem.source) + 1 for problem in problems)
    assert sorted(problems, key=lambda problem: (problem.line, problem.column)) == list(problems)


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.stem)
def test_the_schema_accepts_every_valid_file(case: Path) -> None:
    """An editor that checks by the JSON Schema finds nothing wrong with a file that loads."""
    text = json.dumps(yaml.safe_load(case.read_text()), default=str)  # dates are text to editors
    document = json.loads(
        text.replace('"true":', '"on":')
    )  # PyYAML's keys are YAML 1.1; those of editors 1.2
    assert [error.message for error in SCHEMA.iter_errors(document)] == []


SEEN = [
    "bad-name",
    "duration",
    "env-pair",
    "no-name",
    "no-project",
    "no-services",
    "port-range",
    "port-word",
    "replicas-zero",
    "tls-word",
    "unknown-key",
    "unknown-top",
    "volume-form",
]


@pytest.mark.parametrize("name", SEEN)
def test_the_schema_refuses_what_an_editor_can_see(name: str) -> None:
    """An editor marks wrong types, missing keys and unknown keys without asking FTL."""
    document = yaml.safe_load((CASES / "invalid" / f"{name}.yaml").read_text())
    assert not SCHEMA.is_valid(document)
