"""The loaded project: resolved form, masks, and the plain form of release records."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from ftl.config.dump import dump
from ftl.config.models import project
from ftl.config.models.field_types import keys_of
from ftl.config.models.project import Project, Service
from ftl.config.values.bindings import VolumeMount

from .conftest import HEAD, SERVICE, environ_of, load_file

if TYPE_CHECKING:
    from ftl.config.models.field_types import Section

    from .conftest import Load

VALID = sorted((Path(__file__).parents[2] / "configs" / "valid").glob("*.yaml"))
SECRETS = (
    HEAD
    + """\
services:
  - name: web
    build: {context: ., args: {TOKEN: 'x-${TOKEN}', PLAIN: plain}}
    port: 8000
    command: serve --key ${TOKEN} --level ${LEVEL:-info}
    entrypoint: [sh, '${TOKEN}']
    health_check: {path: '/up?key=${TOKEN}'}
    env: {SECRET: '${TOKEN}', PLAIN: plain}
    hooks:
      pre: migrate ${TOKEN}
      post: {local: 'curl -H ${TOKEN} example.com'}
    container: {health_check: {cmd: 'check ${TOKEN}'}}
dependencies:
  - postgres:16
"""
)


def test_secrets_are_masked_wherever_they_came_in(loaded: Load) -> None:
    """Without --show-secrets no value of a variable is in the resolved form, and no value of env at all."""
    project = loaded(SECRETS, TOKEN="hunter2", POSTGRES_PASSWORD="swordfish")
    shown = dump(project, show_secrets=False)
    assert "hunter2" not in json.dumps(shown)
    assert "swordfish" not in json.dumps(shown)
    service = shown["services"][0]
    assert service["env"] == {"SECRET": "********", "PLAIN": "********"}
    assert service["command"] == "serve --key ******** --level info"
    assert service["build"]["args"] == {"TOKEN": "x-********", "PLAIN": "plain"}
    assert service["hooks"]["post"]["local"] == "curl -H ******** example.com"


def test_secrets_are_shown_when_asked_for(loaded: Load) -> None:
    """With --show-secrets the values are as they are."""
    project = loaded(SECRETS, TOKEN="hunter2", POSTGRES_PASSWORD="swordfish")
    shown = dump(project, show_secrets=True)
    assert shown["services"][0]["command"] == "serve --key hunter2 --level info"
    assert shown["dependencies"][0]["env"] == {"POSTGRES_PASSWORD": "swordfish"}


def test_what_shows_a_project_to_a_programmer_shows_no_masks(loaded: Load) -> None:
    """The plain form holds the keys of the file alone."""
    assert "masked" not in loaded(SECRETS, TOKEN="a", POSTGRES_PASSWORD="b").to_dict()


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.stem)
def test_a_project_comes_back_from_its_plain_form(case: Path, folder: Path) -> None:
    """A release record gives back exactly the project that was deployed."""
    path = folder / "ftl.yaml"
    path.write_bytes(case.read_bytes())
    project = load_file(path, environ_of(case))
    assert Project.from_dict(json.loads(json.dumps(project.to_dict()))) == project


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.stem)
def test_the_resolved_form_is_itself_an_ftl_yaml(case: Path, folder: Path) -> None:
    """What `ftl config` prints means the same when it is loaded again (its dollar signs doubled)."""
    path = folder / "ftl.yaml"
    path.write_bytes(case.read_bytes())
    resolved = dump(load_file(path, environ_of(case)), show_secrets=True)
    path.write_text(yaml.safe_dump(resolved).replace("$", "$$"))
    assert dump(load_file(path, environ_of(case)), show_secrets=True) == resolved


def test_a_project_cannot_be_changed(loaded: Load) -> None:
    """Sections are values."""
    project = loaded(HEAD + SERVICE)
    with pytest.raises(FrozenInstanceError):
        project.services[0].name = "other"  # type: ignore[misc]  # that it is refused is the point


def test_volumes_and_forwards_come_apart(loaded: Load) -> None:
    """A service gives its volumes and forwards as values, too."""
    service = loaded(HEAD + SERVICE + "    volumes: ['a:/b:ro']\n    forwards: ['25:2525']\n").services[0]
    assert service.mounts == (VolumeMount("a", "/b", read_only=True),)
    assert [(forward.host_port, forward.container_port) for forward in service.published] == [(25, 2525)]


def test_a_service_can_be_made_without_a_file() -> None:
    """Only the name is needed."""
    assert Service(name="web").replicas == 1


@pytest.mark.parametrize("section", [getattr(project, name) for name in project.__all__])
def test_every_field_is_a_key_with_a_meaning(section: type[Section]) -> None:
    """Each field of a section says what it means, or is no key of the file on purpose."""
    silent = {item.name for item in fields(section)} - set(keys_of(section))
    assert silent <= {
        "masked",
        "locations",
        "known_hosts",
        "connect_to",
        "has_visitors",
        "environment",
        "preview_of",
        "secret_users",
        "secret_values",
        "secret_texts",
        "secret_words",
    }
    assert all(key.description.endswith((".", "...")) for key in keys_of(section).values())
