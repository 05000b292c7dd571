"""Overlays: which values of two parsed files remain, and the places that they keep."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.overlay import Merger
from ftl.config.variables.env_file import Variable
from ftl.config.variables.sources import Variables
from ftl.config.yaml.marks import SourceFile
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode

Plain = str | list["Plain"] | dict[str, "Plain"]


def tree(text: str, name: str = "ftl.yaml") -> MappingNode:
    """A text as a parsed file."""
    node, problems = parse(SourceFile(name, text))
    assert problems == []
    assert isinstance(node, MappingNode)
    return node


def plain(node: Node) -> Plain:
    """The texts of a tree, without their places."""
    match node:
        case ScalarNode():
            return node.text
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def merged(base: str, overlay: str, **variables: str) -> Plain:
    """The texts of the merged files."""
    return plain(
        Merger(Variables({name: Variable(value) for name, value in variables.items()})).merge(
            tree(base), tree(overlay, "ftl.staging.yaml")
        )
    )


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


def service(lines: str) -> str:
    """A file with a service that has these keys."""
    return f"services: [{{name: web, {lines}}}]"


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


POSTGRES = """dependencies:
- name: postgres
  image: postgres:17
  env: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:?postgres needs a password}"}
  ports: [5432]
  volumes: [postgres_data:/var/lib/postgresql/data]
"""
REDIS = "{name: redis, image: redis:7, env: {}, ports: [6379], volumes: [redis_data:/data]}"


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
    places = {name: (value.mark.file.name, value.mark.line) for name, value in values.items()}
    assert places == {"port": ("ftl.yaml", 3), "A": ("ftl.yaml", 4), "B": ("ftl.production.yaml", 4)}


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
