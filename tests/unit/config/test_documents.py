"""Products of the declarations: JSON Schema, reference page, and the first ftl.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator
from tools.reference_yaml import SMALL, page

from ftl.config.models.field_types import keys_of
from ftl.config.models.project import Project, Service
from ftl.config.read.foreign_keys import _FOREIGN
from ftl.config.schema import schema

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


def test_foreign_words_are_no_keys() -> None:
    """A hint for another tool's word never stands for a key that FTL has."""
    top, service = set(keys_of(Project)), set(keys_of(Service)) | {"path", "env_file"}
    assert not top & set(_FOREIGN[""])
    assert not service & set(_FOREIGN["services"])
