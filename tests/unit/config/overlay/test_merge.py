"""Overlays: which values of two parsed files remain, and the places that they keep."""

from __future__ import annotations

import pytest

from ftl.config.overlay import Merger
from ftl.config.variables.sources import Variables
from ftl.config.yaml.tree import MappingNode, SequenceNode

from .trees import merged, plain, tree


@pytest.mark.parametrize(
    ("base", "overlay", "result"),
    [
        pytest.param(
            "proxy: {image: a, tls: off}",
            "proxy: {tls: auto, acme_ca: x}",
            "proxy: {image: a, tls: auto, acme_ca: x}",
            id="maps-by-key",
        ),
        pytest.param(
            "proxy: {tls: off, image: a}", "proxy: {tls: null}", "proxy: {image: a}", id="null-removes"
        ),
        pytest.param(
            "keep_releases: 1",
            "proxy: {tls: ~, key: k}",
            "{keep_releases: 1, proxy: {key: k}}",
            id="null-of-nothing",
        ),
        pytest.param("proxy: 1", "proxy: {tls: off}", "proxy: {tls: off}", id="other-kinds-are-replaced"),
        pytest.param("proxy: null", "proxy: {tls: off}", "proxy: {tls: off}", id="null-is-replaced"),
        pytest.param("proxy: {tls: off}", "proxy: 1", "proxy: 1", id="a-mistake-stays"),
        pytest.param("volumes: [a, b]", "volumes: [c]", "volumes: [c]", id="lists-are-replaced"),
        pytest.param("x-a: {b: 1}", "x-a: {c: 1}", "x-a: {c: 1}", id="what-nobody-reads"),
        pytest.param("jobs: [{name: x}]", "jobs: []", "jobs: []", id="named-by-nothing"),
        pytest.param("jobs: [{name: x}]", "jobs: {}", "jobs: [{name: x}]", id="a-map-of-nothing"),
        pytest.param(
            "jobs: [{name: x, service: a, timeout: 1}, {name: y}]",
            "jobs: [{name: z}, {name: x, service: b}]",
            "jobs: [{name: x, service: b, timeout: 1}, {name: y}, {name: z}]",
            id="lists-of-named-things",
        ),
        pytest.param(
            "jobs: [{name: x, service: a}, {name: y}]",
            "jobs: {x: {service: b}, y: null, z: {service: c}}",
            "jobs: [{name: x, service: b}, {name: z, service: c}]",
            id="named-things-by-a-map",
        ),
        pytest.param(
            "keep_releases: 1",
            "jobs: {x: {service: a}}",
            "{keep_releases: 1, jobs: [{name: x, service: a}]}",
            id="a-map-of-new-things",
        ),
        pytest.param(
            "jobs: {x: {service: a}}",
            "jobs: {x: {service: b}}",
            "jobs: {x: {service: a}}",
            id="no-list-in-the-base",
        ),
        pytest.param(
            "services: [{name: x, env: {A: 1}}]",
            "services: [{name: x, env: null}]",
            "services: [{name: x}]",
            id="null-in-named",
        ),
        pytest.param(
            "services: [{name: x}, y, {port: 1}]",
            "services: [{name: x, port: 2}]",
            "services: [{name: x, port: 2}, y, {port: 1}]",
            id="mistakes-between-named",
        ),
        pytest.param(
            "services: [{name: x}]",
            "services: [{name: x}, null]",
            "services: [{name: x}, null]",
            id="an-empty-item",
        ),
        pytest.param(
            "jobs: [{name: x, timeout: 1}, {name: x, timeout: 2}]",
            "jobs: [{name: x, service: a}]",
            "jobs: [{name: x, timeout: 1, service: a}, {name: x, timeout: 2, service: a}]",
            id="duplicates-stay-to-be-reported",
        ),
        pytest.param("server: a", "servers: [b, c]", "servers: [b, c]", id="one-or-several-servers"),
        pytest.param("servers: [b, c]", "server: a", "server: a", id="several-or-one-server"),
    ],
)
def test_an_overlay_is_merged(base: str, overlay: str, result: str) -> None:
    """Maps merge by key, lists of named things by name, everything else is replaced, and null removes."""
    assert merged(base, overlay) == plain(tree(result))


def test_merged_values_keep_their_places() -> None:
    """Each value of the merged tree has the file and line that it was written at."""
    base = tree("services:\n  - name: web\n    port: 80\n    env: {A: 1, B: 1}\n")
    overlay = tree("services:\n  - name: web\n    env:\n      B: 2\n", "ftl.production.yaml")
    both = Merger(Variables()).merge(base, overlay)
    services = both.entries["services"].value
    assert isinstance(services, SequenceNode)
    (web,) = services.items
    assert isinstance(web, MappingNode)
    port, env = web.entries["port"].value, web.entries["env"].value
    assert isinstance(env, MappingNode)
    values = {"port": port, **{name: entry.value for name, entry in env.entries.items()}}
    places = {name: (value.location.file.name, value.location.line) for name, value in values.items()}
    assert places == {"port": ("ftl.yaml", 3), "A": ("ftl.yaml", 4), "B": ("ftl.production.yaml", 4)}
