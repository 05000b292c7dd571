"""Overlays of short forms: each is merged as what it is short for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.overlay import Merger
from ftl.config.variables.sources import Variables

from .trees import Plain, merged, plain, service, tree

if TYPE_CHECKING:
    from ftl.config.yaml.tree import MappingNode


@pytest.mark.parametrize(
    ("base", "overlay", "result"),
    [
        pytest.param(
            "health_check: /up",
            "health_check: {timeout: 9s}",
            "health_check: {path: /up, timeout: 9s}",
            id="health_check",
        ),
        pytest.param(
            "build: ./app", "build: {target: dev}", "build: {context: ./app, target: dev}", id="build"
        ),
        pytest.param(
            "path: ./app", "build: {target: dev}", "build: {context: ./app, target: dev}", id="path"
        ),
        pytest.param(
            "build: {target: dev}", "path: ./app", "build: {target: dev, context: ./app}", id="a-new-path"
        ),
        pytest.param("path: ./app", "path: null, image: 'web:1'", "image: 'web:1'", id="no-path"),
        pytest.param(
            "logging: local",
            "logging: {options: {a: b}}",
            "logging: {driver: local, options: {a: b}}",
            id="logging",
        ),
        pytest.param(
            "health_check: {path: /up, timeout: 9s}",
            "health_check: /",
            "health_check: {path: /, timeout: 9s}",
            id="over-a-mapping",
        ),
        pytest.param(
            "hooks: {pre: 'migrate'}",
            "hooks: {pre: {timeout: 10m}}",
            "hooks: {pre: {remote: migrate, timeout: 10m}}",
            id="a-hook-of-text",
        ),
        pytest.param(
            "hooks: {pre: [/app, migrate]}",
            "hooks: {pre: {timeout: 10m}}",
            "hooks: {pre: {remote: [/app, migrate], timeout: 10m}}",
            id="a-hook-of-words",
        ),
        pytest.param(
            "env: [A=1, 'B=x=y', C=]",
            "env: {D: 1, A: null}",
            "env: {B: 'x=y', C: '', D: 1}",
            id="lines-by-a-map",
        ),
        pytest.param("env: {A: 1, B: 1}", "env: [B=2]", "env: {A: 1, B: 2}", id="a-map-by-lines"),
        pytest.param("env: {A: 1}", "env: [A=, B=~]", "env: {A: '', B: '~'}", id="empty-lines"),
        pytest.param("labels: [a=1]", "labels: [b=2]", "labels: {a: 1, b: 2}", id="lines-by-lines"),
        pytest.param("env: ['${V}']", "env: {B: 2}", "env: {A: '$1', B: 2}", id="a-line-of-a-variable"),
        pytest.param("env: [A]", "env: {B: 2}", "env: [A]", id="a-line-that-is-wrong"),
        pytest.param("env: [A=1, A=2]", "env: {B: 2}", "env: [A=1, A=2]", id="a-name-that-is-twice"),
        pytest.param("env: {A: 1}", "env: [B]", "env: [B]", id="a-wrong-line-of-the-overlay"),
        pytest.param("command: a b", "command: [c]", "command: [c]", id="a-command"),
        pytest.param("routes: [/]", "routes: [{path: /api}]", "routes: [{path: /api}]", id="routes"),
        pytest.param(
            "secrets: [A]",
            "secrets: [{name: B, file: /b}]",
            "secrets: [A, {name: B, file: /b}]",
            id="secrets",
        ),
        pytest.param(
            "secrets: [A, B]",
            "secrets: {A: {file: /a}, B: null}",
            "secrets: [{name: A, file: /a}]",
            id="secrets-by-a-map",
        ),
        pytest.param(
            "files: {/a: a}",
            "files: {/b: b}",
            "files: [{path: /a, source: a}, {path: /b, source: b}]",
            id="files",
        ),
        pytest.param(
            "files: [{path: /a, source: a, mode: '0400'}, {path: /b, source: b}]",
            "files: {/a: {content: x}, /b: null}",
            "files: [{path: /a, mode: '0400', content: x}]",
            id="files-by-a-map",
        ),
        pytest.param(
            "extra_hosts: ['a:1', b=2]",
            "extra_hosts: {b: [3, 4]}",
            "extra_hosts: ['a:1', 'b:3', 'b:4']",
            id="hosts",
        ),
        pytest.param(
            "extra_hosts: {a: 1, b: 2}",
            "extra_hosts: {a: null}",
            "extra_hosts: ['b:2']",
            id="a-host-that-goes",
        ),
        pytest.param(
            "ulimits: {nofile: 1}",
            "container: {ulimits: [{name: nproc, soft: 2, hard: 2}]}",
            "container: {ulimits: [{name: nofile, soft: 1, hard: 1}, {name: nproc, soft: 2, hard: 2}]}",
            id="ulimits",
        ),
        pytest.param("ulimits: {nofile: 1}", "ulimits: null", "container: {}", id="no-ulimits"),
    ],
)
def test_a_short_form_is_what_it_is_short_for(base: str, overlay: str, result: str) -> None:
    """What the base or the overlay writes in fewer words is merged like the long form."""
    assert merged(
        service(base), service(overlay.strip("{}") if overlay.startswith("{") else overlay), V="A=$1"
    ) == plain(tree(service(result)))


@pytest.mark.parametrize(
    ("base", "overlay", "result"),
    [
        pytest.param("server: a", "server: {user: u}", "server: {host: a, user: u}", id="server"),
        pytest.param(
            "server: {host: a, user: u}", "server: b", "server: {host: b, user: u}", id="another-host"
        ),
        pytest.param(
            "proxy: {redirects: {a: b}}",
            "proxy: {redirects: {c: d}}",
            "proxy: {redirects: [{host: a, to: b}, {host: c, to: d}]}",
            id="redirects",
        ),
        pytest.param(
            "secrets: {A: {command: a, format: json, key: K, timeout: 1}}",
            "secrets: {A: {env: B}}",
            "secrets: [{name: A, env: B}]",
            id="another-source",
        ),
        pytest.param(
            "secrets: {A: {command: a, format: json, key: K}}",
            "secrets: {A: {command: b}, C: {file: c}}",
            "secrets: [{name: A, command: b, format: json, key: K}, {name: C, file: c}]",
            id="the-same-source",
        ),
        pytest.param(
            "services: [{name: web, build: {platform: a}}]",
            "services: [{name: web, build: {platforms: [a, b]}}]",
            "services: [{name: web, build: {platforms: [a, b]}}]",
            id="platforms",
        ),
    ],
)
def test_short_forms_at_the_top_and_alternatives(base: str, overlay: str, result: str) -> None:
    """Likewise for sections of the project; of keys that exclude each other, that of the overlay stays."""
    assert merged(base, overlay) == plain(tree(result))


FORMS: dict[str, list[str]] = {
    "build": [".", "{context: a}", "{target: b, args: [A=1]}", "{args: {A: 2, B: null}}"],
    "env": ["[A=1]", "[A=2, B=1]", "{A: 3}", "{C: ''}", "[]"],
    "hooks": ["{pre: a}", "{pre: [b]}", "{pre: {local: c}}", "{post: d, pre: null}"],
    "secrets": ["[A]", "[{name: A, mode: '0444'}]", "{A: {file: /a}}", "{A: null}"],
    "files": ["{/a: a}", "[{path: /a, content: x}]", "{/b: b}", "{/a: null}"],
    "extra_hosts": ["['a:1']", "{a: 2}", "{b: [1, 2]}"],
    "ulimits": ["{nofile: 1}", "{nproc: {soft: 1, hard: 2}}"],
    "tmpfs": ["/a", "[/b]"],
    "port": ["1", "null"],
}

SERVICES = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(forms) for key, forms in FORMS.items()}
).map(lambda keys: service(", ".join(f"{key}: {value}" for key, value in keys.items())))


def written_out(node: MappingNode) -> Plain:
    """The texts of a file, all in their long forms."""
    return plain(Merger(Variables()).merge(node, node))


@given(SERVICES, SERVICES)
def test_an_overlay_merged_twice_changes_nothing_more(base: str, overlay: str) -> None:
    """Merging is idempotent."""
    once = Merger(Variables()).merge(tree(base), tree(overlay))
    assert written_out(Merger(Variables()).merge(once, tree(overlay))) == written_out(once)


@given(SERVICES)
def test_an_overlay_of_nothing_changes_nothing(base: str) -> None:
    """A service that is named alone stays what it is, but for keys that have another place."""
    (web,) = cast("Any", plain(Merger(Variables()).merge(tree(base), tree("services: [{name: web}]"))))[
        "services"
    ]
    (written,) = cast("Any", plain(tree(base)))["services"]
    assert {key: value for key, value in web.items() if key != "container"} == {
        key: value for key, value in written.items() if key != "ulimits"
    }
