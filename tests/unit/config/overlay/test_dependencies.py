"""Overlays of dependencies that have presets."""

from __future__ import annotations

from typing import Any, cast

import pytest

from .trees import Plain, merged, plain, tree

POSTGRES = """dependencies:
- name: postgres
  image: postgres:17
  env: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:?postgres needs a password}"}
  ports: [5432]
  volumes: [postgres_data:/var/lib/postgresql/data]
"""


def dependencies(base: str, overlay: str, **variables: str) -> dict[str, Plain]:
    """The merged dependencies by name."""
    both = merged(f"dependencies: {base}", f"dependencies: {overlay}", **variables)
    assert isinstance(both, dict)
    items = both["dependencies"]
    assert isinstance(items, list)
    return {str(item["name"] if isinstance(item, dict) else item): item for item in items}


@pytest.mark.parametrize(
    ("overlay", "result"),
    [
        ('[{name: search, image: "elasticsearch:8"}]', ["postgres:17", "redis:7", "search"]),
        ("{redis: null}", ["postgres:17"]),
        ("[redis:8]", ["postgres:17", "redis"]),
        ("[memcached:1]", ["postgres:17", "redis:7", "memcached:1"]),
        ('{memcached: "memcached:1", cache: "redis:6"}', ["postgres:17", "redis:7", "memcached:1", "cache"]),
        ('["${UNSET}"]', ["postgres:17", "redis:7", "${UNSET}"]),
        ("[postgress:17]", ["postgres:17", "redis:7", "postgress:17"]),
    ],
)
def test_dependencies_of_single_values_have_names(overlay: str, result: list[str]) -> None:
    """What an overlay does not name stays as it is written."""
    assert list(dependencies("[postgres:17, redis:7]", overlay)) == result


def test_a_changed_preset_keeps_what_it_gives() -> None:
    """Its volume, ports and variables remain, but for what the overlay has or removes."""
    changed = dependencies("['postgres:${V}']", '{postgres: {image: "postgres:17", command: x}}', V="16")
    expected = plain(tree(POSTGRES + "  command: x\n"))
    assert isinstance(expected, dict)
    assert [changed["postgres"]] == expected["dependencies"]
    (redis,) = dependencies("[redis:7]", "{redis: {volumes: null, env: {A: 1}, ports: [1]}}").values()
    assert redis == {"name": "redis", "image": "redis:7", "env": {"A": "1"}, "ports": ["1"]}


def test_a_preset_fits_the_image_that_it_has_then() -> None:
    """From 18 on, postgres needs PGDATA for its volume; a version of the overlay decides, also as a single value."""
    for overlay in ('{postgres: {image: "postgres:18"}}', "[postgres:18]"):
        (changed,) = dependencies("[postgres:17]", overlay).values()
        assert isinstance(changed, dict)
        assert changed["image"] == "postgres:18"
        assert isinstance(changed["env"], dict)
        assert changed["env"]["PGDATA"] == "/var/lib/postgresql/data"


def test_a_preset_over_a_mapping_gives_what_that_lacks() -> None:
    """The values of the file stay: a single value says the image alone."""
    (changed,) = dependencies(
        "[{name: redis, image: 'redis:6', ports: [1], init: true}]", "[redis:7]"
    ).values()
    assert changed == {
        "name": "redis",
        "image": "redis:7",
        "env": {},
        "ports": ["1"],
        "volumes": ["redis_data:/data"],
        "init": "true",
    }


def test_a_preset_may_be_built() -> None:
    """A database with an extension keeps its data where it was."""
    (changed,) = dependencies("[redis:7]", "{redis: {build: db}}").values()
    assert isinstance(changed, dict)
    assert (changed["build"], changed.get("image"), changed["volumes"]) == ("db", None, ["redis_data:/data"])


def test_a_preset_has_variables_that_are_secrets() -> None:
    """Optional variables are passed on if they are set, or if either file declares them."""
    both = merged(
        "dependencies: [postgres:17]\nsecrets: {POSTGRES_DB: {env: A}}",
        "dependencies: {postgres: {init: true}}",
    )
    (postgres,) = cast("Any", both)["dependencies"]
    assert postgres["env"]["POSTGRES_DB"] == "${POSTGRES_DB}"
