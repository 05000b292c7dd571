"""`ftl init --from` with Compose files like those of well-known projects."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.onboarding.takeover.report import TakeoverReport


def words(report: TakeoverReport, key: str) -> str:
    """Text of a key's row."""
    return next(row.text for row in report.rows if row.key == key)


def test_names_with_underscores_stay_host_names(tmp_path: Path) -> None:
    """`app_db` is a name in ftl.yaml, too: an address in a variable still leads to it."""
    text = """
services:
  app_web: {image: "acme/app:1", ports: ["80:80"], environment: {DATABASE_URL: "postgres://u:p@app_db:5432/app_db"}}
  app_db: {image: "postgres:16"}
"""
    project, report = taken(tmp_path, text)
    assert [item.name for item in project.services] + [item.name for item in project.dependencies] == [
        "app_web",
        "app_db",
    ]
    assert not [row for row in report.rows if "host name" in row.text]


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("DATABASE_URL", "postgres://u:p@shop.db:5432/shop.db", "postgres://u:p@shop-db:5432/shop.db"),
        ("DB_HOST", "shop.db", "shop-db"),
        ("DB_NAME", "shop.db", "shop.db"),
        ("CACHE_NODES", "cache-1:6379,shop_cache", "cache:6379,cache"),
        ("REDIS", "redis://cache-1", "redis://cache"),
        ("QUEUE", "store:6379", "cache:6379"),
        ("BROKER", "graph.internal:6379", "cache:6379"),
        ("GREETING", "hello cache-1 and shop.db", "hello cache-1 and shop.db"),
        ("DATABASE_URL", "postgres://cache-1:cache-1@shop.db/x", "postgres://cache-1:cache-1@shop-db/x"),
        ("DATABASE_URL", "postgres://cache-1@shop.db/x?a=b@c", "postgres://cache-1@shop-db/x?a=b@c"),
        ("CACHE_URL", "redis://cache-1/0?by=a@b", "redis://cache/0?by=a@b"),
        ("DSN", "cache-1:1@tcp(shop.db:3306)/x", "cache-1:1@tcp(shop-db:3306)/x"),
        ("OTHER_HOST", "my-cache-1.example.com", "my-cache-1.example.com"),
    ],
)
def test_other_host_names_are_written_as_those_that_ftl_has(
    tmp_path: Path, name: str, value: str, written: str
) -> None:
    """Names by `container_name`, `hostname`, aliases and links lead nowhere in FTL; where they are no hosts they stay."""
    text = f"""
services:
  web: {{image: "acme/app:1", links: ["cache:store"], environment: {{{name}: "{value}"}}}}
  shop.db: {{image: "postgres:16"}}
  cache: {{image: "redis:7", container_name: cache-1, hostname: shop_cache, networks: {{default: {{aliases: [graph.internal]}}}}}}
"""
    project, _ = taken(tmp_path, text)
    assert service(project).env == {name: written}


def test_an_env_file_that_names_another_host_needs_the_user(tmp_path: Path) -> None:
    """Env files are not changed: which line is wrong is said."""
    text = (
        "services: {web: {image: x, env_file: app.env}, db: {image: 'postgres:16', container_name: shop-db}}"
    )
    _, report = taken(tmp_path, text, more={"app.env": "# shop-db:1\nDB_HOST=shop-db\n"})
    assert words(report, "services.web: shop-db") == "app.env names the host shop-db: write db"


def test_a_service_that_runs_once_becomes_a_hook(tmp_path: Path) -> None:
    """The migration of the same build runs before each release; what a hook does differently is said."""
    text = """
x-app: &app {build: ., environment: {A: "1"}}
services:
  migrate: {<<: *app, command: [./manage.py, migrate]}
  seed: {<<: *app, command: ./seed.sh, user: root}
  web: {<<: *app, depends_on: {migrate: {condition: service_completed_successfully}, seed: {condition: service_completed_successfully}}}
  setup: {image: "acme/api:1", command: db prepare, environment: [B=2], volumes: ["media:/media", "d:/d/"], env_file: [db.env, web.env], secrets: [{source: key}]}
  api: {image: "acme/api:1", volumes: [{type: volume, source: d, target: /d}], env_file: ./web.env, depends_on: {setup: {condition: service_completed_successfully}}}
volumes: {media: , d: }
secrets: {key: {file: ./cert.pem}}
"""
    project, report = taken(tmp_path, text)
    hook, other = service(project).hooks.pre, service(project, "api").hooks.pre
    assert hook is not None
    assert other is not None
    assert (hook.remote, other.remote) == (("./manage.py", "migrate"), "db prepare")
    assert words(report, "services.migrate") == "hooks.pre of web"
    setup = words(report, "services.setup")
    assert (
        "it needs B in `env`; it needs media:/media, which volumes of it had; it needs db.env, which" in setup
    )
    assert "it needs key, which secrets of it had; a hook does not run the image's entrypoint" in setup
    assert words(report, "services.seed").startswith("it runs once before web: write its command")


def test_reset_and_override(tmp_path: Path) -> None:
    """`!reset` takes a key away, `!override` replaces the earlier file's, as in Compose."""
    first = "services: {web: {build: ., ports: ['80:80'], environment: {A: '1', B: '2'}, restart: 'no', command: x}}"
    second = """
services:
  web:
    image: acme/web:1
    build: !reset null
    ports: !override ["8080:8000"]
    environment: {A: !reset null, C: "3"}
    restart: !reset null
    command: !reset null
"""
    project, _ = taken(tmp_path, first, second)
    web = service(project)
    assert (web.image, web.build, web.port, web.env, web.command, web.restart) == (
        "acme/web:1", None, 8000, {"B": "2", "C": "3"}, None, "always",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "text", "environment", "name"),
    [
        ("my.shop", "", {}, "myshop"),
        ("My_Shop", "", {}, "my_shop"),
        ("shop", "name: other\n", {}, "other"),
        ("shop", "name: other\n", {"COMPOSE_PROJECT_NAME": "third"}, "third"),
    ],
)
def test_the_project_has_the_name_that_its_volumes_have(
    tmp_path: Path, folder: str, text: str, environment: dict[str, str], name: str
) -> None:
    """The name is Compose's for the same folder, key and variable; the domain has no `_`."""
    below = tmp_path / folder
    put_files(below, {"compose.yaml": f"{text}services: {{web: {{image: x, ports: ['80:80']}}}}"})
    result = take_over([below / "compose.yaml"], below, environment)
    put_files(below, result.files)
    project = load(ProjectFiles(below / "ftl.yaml", read_variables(below, environment)), fetch=None)
    assert (project.name, project.project.domain) == (name, f"{name.replace('_', '-')}.example.com")


REPORTS = {
    "a gpu by its reservation": (
        "services: {web: {image: x, deploy: {resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu]}]}}}}}",
        "services.web.deploy.resources.reservations.devices",
        Verdict.NEEDS_YOU,
    ),
    "a volume with the default driver in full": (
        "services: {web: {image: x, volumes: ['v:/v']}}\nvolumes: {v: {driver: local}}",
        "volumes.v",
        Verdict.TAKEN,
    ),
    "a volume of NFS": (
        "services: {web: {image: x, volumes: ['v:/v']}}\nvolumes: {v: {driver: local, driver_opts: {type: nfs}}}",
        "volumes.v",
        Verdict.NEEDS_YOU,
    ),
    "models": ("models: {llm: {model: ai/x}}\nservices: {web: {image: x}}", "models", Verdict.NEEDS_YOU),
    "links to other projects": (
        "services: {web: {image: x, external_links: [other]}}", "services.web.external_links", Verdict.NEEDS_YOU,
    ),
    "a network of another project": (
        "services: {web: {image: x}}\nnetworks: {data: {external: true}}", "networks.data", Verdict.NEEDS_YOU,
    ),
    "a proxy's network": (
        "services: {web: {image: x}}\nnetworks: {web: {external: true, name: traefik}}", "networks.web", Verdict.LEFT_OUT,
    ),
    "a network without a way out": (
        "services: {web: {image: x}}\nnetworks: {in: {internal: true}}", "networks.in", Verdict.LEFT_OUT,
    ),
    "a fixed address": (
        "services: {web: {image: x, networks: {n: {ipv4_address: 172.20.0.9}}}}", "services.web.networks.n", Verdict.NEEDS_YOU,
    ),
    "an empty entrypoint": ("services: {web: {image: x, entrypoint: []}}", "services.web.entrypoint", Verdict.NEEDS_YOU),
    "an env file that is raw": (
        "services: {web: {image: x, env_file: [{path: web.env, format: raw}]}}", "services.web.env_file", Verdict.NEEDS_YOU,
    ),
    "variables of an included file": (
        "include: [{path: other.yaml, env_file: web.env}]\nservices: {web: {image: x}}", "include.env_file", Verdict.CHANGED,
    ),
    "a service that runs once": (
        "services: {web: {image: x, restart: 'no'}}", "services.web.restart", Verdict.NEEDS_YOU,
    ),
    "a check that is quicker at first": (
        "services: {web: {image: x, healthcheck: {test: a, start_interval: 1s}}}", "services.web.healthcheck.start_interval",
        Verdict.LEFT_OUT,
    ),
    "its own TLS": (
        "services: {web: {image: 'nginx:1', ports: ['80:80', '443:443']}}", "services.web.ports: 443", Verdict.NEEDS_YOU,
    ),
    "a file that Compose merges by itself": ("services: {web: {image: x}}", "compose.override.yml", Verdict.LEFT_OUT),
}  # fmt: skip


@pytest.mark.parametrize(("text", "key", "verdict"), REPORTS.values(), ids=list(REPORTS))
def test_what_is_lost_is_said(tmp_path: Path, text: str, key: str, verdict: Verdict) -> None:
    """Each key whose effect FTL does not have is in the report, and what is the default needs nobody."""
    more = {"other.yaml": "services: {db: {image: 'redis:7'}}", "compose.override.yml": "services: {}"}
    _, report = taken(tmp_path, text, more=more)
    assert verdicts(report)[key] is verdict


def test_an_empty_entrypoint_runs_the_command(tmp_path: Path) -> None:
    """The command's first word is the program."""
    project, _ = taken(tmp_path, "services: {web: {image: x, entrypoint: [], command: serve --all}}")
    assert (service(project).entrypoint, service(project).command) == (("serve",), ("--all",))


def test_a_build_from_a_repository_is_pulled_where_an_image_is_named(tmp_path: Path) -> None:
    """Nothing is built from files that are not here."""
    text = "services: {web: {build: 'https://github.com/acme/web.git', image: 'acme/web:1'}}"
    project, report = taken(tmp_path, text)
    assert (service(project).image, service(project).build) == ("acme/web:1", None)
    assert verdicts(report)["services.web.build"] is Verdict.NEEDS_YOU


@pytest.mark.parametrize(
    "build", ["'https://github.com/acme/web.git#main:site'", "{context: github.com/acme/web}"]
)
def test_a_build_from_a_repository_without_an_image_leaves_a_placeholder(tmp_path: Path, build: str) -> None:
    """What is written is valid, and cannot run another image or build another folder by accident."""
    project, report = taken(tmp_path, f"services: {{web: {{build: {build}, ports: ['80:80']}}}}")
    assert (service(project).image, service(project).build) == ("registry.invalid/web", None)
    assert "a placeholder that nobody can pull" in words(report, "services.web.build")


def test_a_worker_of_an_image_with_a_port_has_none(tmp_path: Path) -> None:
    """EXPOSE is of the image's own program; another program has it where others reach it."""
    text = """
services:
  web: {build: ., ports: ["80:3000"], environment: {API: "http://api:3000"}}
  worker: {build: ., command: work --queue a}
  api: {build: ., command: [serve, api]}
  same: {build: .}
"""
    project, _ = taken(tmp_path, text, more={"Dockerfile": "FROM x\nEXPOSE 3000\n"})
    found = {item.name: item.port for item in project.services}
    assert found == {"web": 3000, "worker": None, "api": 3000, "same": 3000}


def test_a_worker_that_extends_the_service_of_a_port_has_none(tmp_path: Path) -> None:
    """`expose` is of the program of the service that it extends."""
    text = """
services:
  php: {build: ., expose: [9000]}
  queue: {extends: {service: php}, command: work}
  other: {build: ., command: serve, expose: [9000]}
"""
    project, _ = taken(tmp_path, text)
    assert {item.name: item.port for item in project.services} == {"php": 9000, "queue": None, "other": 9000}


@pytest.mark.parametrize(
    ("labels", "key", "what"),
    [
        ("traefik.http.middlewares.a.basicauth.users=me:x", "basicauth", "protected it"),
        ("traefik.http.middlewares.a.IPAllowList.sourcerange=10.0.0.0/8", "ipallowlist", "protected it"),
        ("traefik.http.middlewares.a.stripprefix.prefixes=/api", "stripprefix", "`strip_prefix: true`"),
        ("traefik.http.middlewares.a.ratelimit.average=5", "ratelimit", "let the app do it"),
        ("traefik.http.routers.a.middlewares=auth@file", "middlewares of a file", "let the app do it"),
        ("caddy.basic_auth.me=x", "basicauth", "protected it"),
        ("traefik.http.middlewares.a.redirectscheme.scheme=https", "redirectscheme", ""),
    ],
)
def test_what_another_proxy_did_is_told(tmp_path: Path, labels: str, key: str, what: str) -> None:
    """A page that asked for a password is not public without a word."""
    rule = "traefik.http.routers.a.rule=Host(`a.example.org`)"
    text = f"services: {{web: {{image: x, expose: [80], labels: ['{rule}', '{labels}']}}}}"
    _, report = taken(tmp_path, text)
    rows = [row for row in report.rows if row.key == f"services.web.labels: {key}"]
    assert [what in row.text and row.verdict is Verdict.NEEDS_YOU for row in rows] == [True] * bool(what)


def test_a_variable_that_compose_demands_is_named_with_its_reason(tmp_path: Path) -> None:
    """Neither deploys with an empty password: ftl.yaml demands it as the Compose file did."""
    _, report = taken(tmp_path, "services: {web: {image: x, environment: {K: '${KEY:?create one}'}}}")
    assert "K: ${KEY:?create one}" in (tmp_path / "ftl.yaml").read_text()
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")]
    with pytest.raises(ConfigError, match="KEY"):
        load(ProjectFiles(tmp_path / "ftl.yaml", read_variables(tmp_path, {})), fetch=None)
    assert words(report, "${KEY}").startswith("Compose does not start without it (create one)")


def test_the_domain_is_not_that_of_a_tool(tmp_path: Path) -> None:
    """Of hosts in labels, the shortest is the project's domain; an admin's page is not."""
    text = """
services:
  adminer: {image: adminer, labels: ["traefik.http.routers.a.rule=Host(`db.example.org`)"]}
  api: {build: ., labels: ["traefik.http.routers.b.rule=Host(`api.example.org`)"]}
  frontend: {build: ., labels: ["traefik.http.routers.c.rule=Host(`shop.example.org`)"]}
"""
    project, _ = taken(tmp_path, text)
    assert project.project.domain == "shop.example.org"
    assert [route.host for route in service(project, "api").routes] == ["api.example.org"]
