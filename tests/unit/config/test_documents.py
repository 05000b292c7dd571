"""Products of the declarations: JSON Schema, reference page, and the first ftl.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft202012Validator
from tools.reference_yaml import SMALL, page

from ftl.config.models.field_types import keys_of
from ftl.config.models.project import Project, Service
from ftl.config.read.foreign_keys import _FOREIGN
from ftl.config.schema import schema
from ftl.config.starter import DetectedApp, project_name, starter_yaml

from .conftest import load_file, written

if TYPE_CHECKING:
    from .conftest import Load

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "ftl-yaml.md"


def test_the_schema_is_a_schema() -> None:
    """The schema holds to the draft that it names."""
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_describes_every_key() -> None:
    """An editor can show a meaning for each key."""
    definitions = [schema(), *schema()["$defs"].values()]
    assert all(key["description"] for one in definitions for key in one["properties"].values())


def test_the_page_is_up_to_date() -> None:
    """`make docs` has been run since a section changed."""
    assert REFERENCE.read_text() == page()


def test_the_page_tells_every_key() -> None:
    """Each key of the top and of a service has a row."""
    rows = page()
    assert all(f"| `{name}` |" in rows for section in (Project, Service) for name in keys_of(section))


def test_the_pages_example_is_valid(loaded: Load) -> None:
    """What the page shows first can be copied."""
    assert loaded(SMALL, POSTGRES_PASSWORD="x").dependencies[0].image == "postgres:16"


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "shop"), ("My Shop", "my-shop"), ("_x_", "x"), ("ø", "app"), ("a" * 80, "a" * 63)],
)
def test_the_project_is_named_after_the_folder(folder: str, name: str) -> None:
    """Any folder's name makes a valid project name."""
    assert project_name(folder) == name


@pytest.mark.parametrize("uncommented", [False, True])
def test_the_first_file_is_valid_as_it_is_and_with_its_comments_taken_off(
    folder: Path, *, uncommented: bool
) -> None:
    """`ftl init` writes a file that loads, and so do the examples in its comments."""
    text = starter_yaml(DetectedApp("shop", dockerfile=True, port=3000))
    if uncommented:
        lines = text.splitlines()
        text = "\n".join(line.replace("# ", "", 1) if _is_example(line) else line for line in lines)
    project = load_file(written(folder, text), {"POSTGRES_PASSWORD": "x"})
    assert project.services[0].port == 3000
    assert len(project.dependencies) == (2 if uncommented else 0)


def _is_example(line: str) -> bool:
    """Whether a commented line is YAML and no sentence."""
    bare = line.strip()
    return (
        bare.startswith("# ")
        and (":" in bare or bare.startswith("#   -"))
        and "`" not in bare
        and ", " not in bare
    )


def test_foreign_words_are_no_keys() -> None:
    """A hint for another tool's word never stands for a key that FTL has."""
    top, service = set(keys_of(Project)), set(keys_of(Service)) | {"path", "env_file"}
    assert not top & set(_FOREIGN[""])
    assert not service & set(_FOREIGN["services"])


def test_the_first_file_keeps_names_that_yaml_would_change() -> None:
    """A project called `on` or `1` stays text."""
    assert (
        yaml.safe_load(starter_yaml(DetectedApp("shop", dockerfile=True, port=None)))["services"][0]["port"]
        == 8000
    )
