"""Rows of `ftl init --from`: one for each value that is changed, and what it must mean."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

from .test_others import taken as taken_other

if TYPE_CHECKING:
    from pathlib import Path

    from ..conftest import Begin


def test_each_port_has_a_row(tmp_path: Path) -> None:
    """They shared one, in which the last verdict stood for all."""
    text = 'services: {web: {image: x, ports: ["127.0.0.1:80:80", "53:53/udp", "6060", "9000-9001:9000-9001", "$X"]}, a: {image: y, ports: []}}'
    _, report = taken(tmp_path, text)
    rows = {
        row.key.removeprefix("services.web."): row.verdict for row in report.rows if "web.ports" in row.key
    }
    assert rows == {
        "ports[0]": Verdict.NEEDS_YOU,
        "ports[1]": Verdict.CHANGED,
        "ports[2]": Verdict.LEFT_OUT,
        "ports[3]: 9000": Verdict.CHANGED,
        "ports[3]: 9001": Verdict.CHANGED,
        "ports[4]": Verdict.NEEDS_YOU,
    }
    assert verdicts(report)["services.a.ports"] is Verdict.LEFT_OUT


def test_a_port_for_a_proxy_in_front_needs_routes(tmp_path: Path) -> None:
    """Nginx on the server made it public: nobody reached the app, and nothing was said."""
    text = 'services: {web: {image: x, ports: ["127.0.0.1:3000:3000"]}}'
    project, report = taken(tmp_path, text)
    assert (service(project).port, service(project).routes) == (3000, ())
    assert verdicts(report)["services.web.ports[0]"] is Verdict.NEEDS_YOU
    assert "routes: [{path: /}]" in words(report, "services.web.ports[0]")
    public = text.replace("services: {", 'services: {site: {image: y, ports: ["80:80"]}, ')
    assert verdicts(taken(tmp_path / "b", public)[1])["services.web.ports[0]"] is Verdict.LEFT_OUT


@pytest.mark.parametrize("variables", ["[A, B=]", "{A: , B: ''}"])
def test_a_variable_without_a_value_is_passed_on_where_it_is_set(tmp_path: Path, variables: str) -> None:
    """An empty one is another thing: `int("")` ends an app that takes a missing one."""
    text = f"services: {{web: {{image: x, environment: {variables}}}}}"
    assert service(taken(tmp_path / "a", text)[0]).env == {"B": ""}
    assert service(taken(tmp_path / "b", text, environment={"A": "1"})[0]).env == {"A": "1", "B": ""}


def test_a_value_that_is_no_text_is_named(tmp_path: Path) -> None:
    """A list was written as an empty text, and told to be taken over."""
    project, report = taken(tmp_path, "services: {web: {image: x, environment: {A: [1, 2], B: b}}}")
    assert service(project).env == {"B": "b"}
    assert verdicts(report)["services.web.environment: A"] is Verdict.NEEDS_YOU


def test_variables_of_nginx_proxy_are_routes(tmp_path: Path) -> None:
    """Their row said `env`, in which they are not."""
    text = "services: {web: {image: x, expose: [80], environment: {VIRTUAL_HOST: a.example.com}}}"
    project, report = taken(tmp_path, text)
    assert service(project).env == {}
    assert words(report, "services.web.environment: VIRTUAL_HOST").startswith("routes")
    assert "services.web.environment" not in verdicts(report)


def test_options_of_a_bound_folder_are_named(tmp_path: Path) -> None:
    """As those of volumes are."""
    _, report = taken(tmp_path, "services: {web: {image: x, volumes: ['/proc:/p:ro,rslave']}}")
    assert "without rslave" in words(report, "services.web.volumes[0]")


@pytest.mark.parametrize(
    ("service_keys", "dockerfile", "port", "protocol"),
    [
        ("build: ., expose: [9000]", "FROM php:8.3-fpm-alpine\nCMD [php-fpm, -F]\n", 9000, "tcp"),
        ("build: .", "FROM php:8.3-fpm\nEXPOSE 9000\n", 9000, "tcp"),
        ("build: ., expose: [9000]", "FROM scratch\n", 9000, "http"),
        ("build: .", "FROM scratch\nEXPOSE 9000\n", 9000, "http"),
        ("image: 'php:8-fpm', expose: ['9000/tcp']", "", 9000, "tcp"),
        ("image: x, expose: [1883]", "", 1883, "tcp"),
        ("image: x, expose: [25]", "", 25, "tcp"),
        ("image: x, expose: [5672, 15672]", "", 15672, "http"),
        ("image: x, expose: [53/udp, 8080]", "", 8080, "http"),
        ("build: .", "FROM scratch\nEXPOSE 5672 15672\n", 15672, "http"),
        ("build: .", "FROM scratch\nEXPOSE 8080\nEXPOSE 5432\n", 8080, "http"),
        ("image: x, expose: [50051]", "", 50051, "h2c"),
        ("build: .", "FROM scratch\nEXPOSE 50051\n", 50051, "h2c"),
        ("image: x, ports: ['50051:50051', '3001:3001']", "", 3001, "http"),
        (
            "image: x, expose: [9090, 50051], labels: {traefik.http.services.a.loadbalancer.server.port: '50051'}",
            "",
            50051,
            "h2c",
        ),
        ("image: x, expose: [5672], environment: {VIRTUAL_HOST: a.io}", "", 5672, "http"),
    ],
)
def test_a_port_has_its_protocol(
    tmp_path: Path, service_keys: str, dockerfile: str, port: int, protocol: str
) -> None:
    """Everything was HTTP: a check of PHP-FPM never passed, and its name led to the proxy."""
    check = "healthcheck: {test: curl -f http://localhost/up}"
    text = f"services: {{one: {{{service_keys}, {check}}}, other: {{image: x}}}}"
    project, report = taken(tmp_path, text, more={"Dockerfile": dockerfile})
    one = service(project, "one")
    assert (one.port, one.protocol) == (port, protocol)
    assert (one.health_check is None) == (protocol != "http")
    assert (verdicts(report).get("services.one.port") is Verdict.CHANGED) == (protocol != "http")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("", (1, 5, 30, 0)),
        ("start_period: 90s", (1, 5, 30, 90)),
        ("interval: 30s, timeout: 10s, retries: 5", (1, 10, 150, 0)),
        ("interval: 1m30s", (1, 5, 270, 0)),
        ("retries: 4", (1, 5, 120, 0)),
        ("interval: 5s, retries: 3, start_period: 0s", (1, 5, 30, 0)),
        ("interval: odd, retries: '$N'", (1, 5, 90, 0)),
    ],
)
def test_a_slow_start_has_the_time_of_compose(
    tmp_path: Path, times: str, expected: tuple[float, float, int, float]
) -> None:
    """It failed after 30 seconds: the times were dropped where the test became a path."""
    text = f"services: {{web: {{image: x, expose: [80], healthcheck: {{test: curl http://localhost/up, {times}}}}}}}"
    project, _ = taken(tmp_path, text)
    check = service(project).health_check
    assert check is not None
    assert (check.interval, check.timeout, check.retries, check.start_period) == expected


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ("command: npm run dev", "command"),
        ("command: [yarn, dev, --host]", "command"),
        ("command: python manage.py runserver 0.0.0.0:8000", "command"),
        ("command: uvicorn app:app --reload", "command"),
        ("command: sh -c 'pnpm install && pnpm run dev'", "command"),
        ("command: 'npx vite --host'", "command"),
        ("entrypoint: [nodemon, app.js]", "entrypoint"),
        ("command: flask --app shop run", "command"),
        ("environment: {NODE_ENV: development}", "environment: NODE_ENV"),
        ("environment: ['RAILS_ENV=${RAILS_ENV:-development}']", "environment: RAILS_ENV"),
        ("environment: {DEBUG: 'True'}", "environment: DEBUG"),
        ("environment: {ASPNETCORE_ENVIRONMENT: Development}", "environment: ASPNETCORE_ENVIRONMENT"),
        ("build: {context: ., target: development}", "build.target"),
        ("build: {context: ., target: app-dev}", "build.target"),
    ],
)
def test_what_is_for_development_needs_you(tmp_path: Path, keys: str, row: str) -> None:
    """It was taken for production: a server that reloads, and shows errors to whoever asks."""
    image = "" if "build:" in keys else "build: ., "
    _, report = taken(tmp_path, f"services: {{web: {{{image}{keys}}}}}")
    assert verdicts(report)[f"services.web.{row}"] is Verdict.NEEDS_YOU
    assert "for development" in words(report, f"services.web.{row}")
    assert f"TO DO {row}: " in (tmp_path / "ftl.yaml").read_text()


@pytest.mark.parametrize(
    "keys",
    [
        "command: npm run start",
        "command: gunicorn app.wsgi",
        "command: npm run device",
        "command: node --watchdog x.js",
        "command: vite preview --host",
        "command: /opt/air-quality",
        "environment: {NODE_ENV: production, DEBUG: 'app:*', APP_ENV: staging}",
        "build: {context: ., target: run}",
    ],
)
def test_what_is_for_production_needs_nobody(tmp_path: Path, keys: str) -> None:
    """Names that only look alike."""
    image = "" if "build:" in keys else "build: ., "
    _, report = taken(tmp_path, f"services: {{web: {{{image}{keys}}}}}")
    assert not [row for row in report.rows if "for development" in row.text]


PERIODIC = [
    ("beat", "anything"), ("celery-beat", "x"), ("clock", "node clock.js"), ("x", "celery -A shop beat -l info"),
    ("x", "celery -A shop worker -B"), ("x", "php artisan schedule:work"), ("x", "bundle exec clockwork clock.rb"),
    ("x", "supercronic /etc/crontab"), ("x", "crond -f"), ("x", "cron -f"), ("x", "rqscheduler"),
]  # fmt: skip
OTHERS = [
    ("worker", "celery -A shop worker"),
    ("heartbeat", "x"),
    ("x", "node micron.js"),
    ("x", "celery -A shop worker -Q cron"),
    ("x", "celery -A shop worker --queues beat"),
    ("x", "bundle exec sidekiq -q cron -q default"),
    ("x", "celery -A shop worker -Q web,cron"),
    ("beats", "x"),
    ("x", "rq worker"),
]


@pytest.mark.parametrize(("name", "line"), PERIODIC)
def test_two_clocks_never_run_side_by_side(tmp_path: Path, begin: Begin, name: str, line: str) -> None:
    """Whichever file says it: Compose's, a Procfile, fly.toml, Kamal's, or what `ftl init` finds."""
    assert is_periodic(name, line)
    project, _ = taken(
        tmp_path / "compose", f"services: {{web: {{image: x}}, {name}: {{image: x, command: '{line}'}}}}"
    )
    assert [item.recreate for item in project.services] == [False, True]
    files = {
        "Procfile": f"web: serve\n{name}: {line}\n",
        "fly.toml": f"[processes]\nweb = 'serve'\n{name} = '{line}'\n",
        "deploy.yml": f"service: a\nservers: {{web: [h.io], {name}: {{hosts: [h.io], cmd: '{line}'}}}}\n",
    }
    for source in files:
        other, _ = taken_other(tmp_path / source, source, files)
        assert [item.recreate for item in other.services] == [False, True]
    app = {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"}
    _, found = begin({**app, "Procfile": files["Procfile"]})
    assert [item.recreate for item in found.services] == [False, True]


@pytest.mark.parametrize(("name", "line"), OTHERS)
def test_other_processes_are_replaced_without_a_gap(name: str, line: str) -> None:
    """Names and programs that only look like a clock's."""
    assert not is_periodic(name, line)


def test_the_start_command_of_fly_is_ours(tmp_path: Path) -> None:
    """`experimental` has it; what a process says is over it."""
    text = "[experimental]\ncmd = ['serve', '$A']\nentrypoint = '/in'\nother = true\n[http_service]\ninternal_port = 80\nmin_machines_running = 0\n"
    project, report = taken_other(tmp_path, "fly.toml", {"fly.toml": text})
    web = project.services[0]
    assert (web.command, web.entrypoint) == (("serve", "$A"), ("/in",))
    found = verdicts(report)
    assert (found["experimental.cmd"], found["experimental.other"]) == (Verdict.CHANGED, Verdict.LEFT_OUT)
    assert found["http_service.min_machines_running"] is Verdict.LEFT_OUT


def test_an_app_json_alone_has_one_service(tmp_path: Path) -> None:
    """No row speaks of a Procfile that is not there; each key of checks and formation has one."""
    app = '{"formation": {"web": {"quantity": 2, "size": "x"}}, "healthchecks": {"web": [{"path": "/ok", "port": 81, "content": "y"}]}}'
    _, report = taken_other(tmp_path, "app.json", {"app.json": app})
    found = verdicts(report)
    assert not [key for key in found if key.startswith("Procfile")]
    assert (found["healthchecks.web[0].port"], found["healthchecks.web[0].content"]) == (
        Verdict.NEEDS_YOU,
        Verdict.NEEDS_YOU,
    )
    assert found["formation.web"] is Verdict.CHANGED


def test_variables_of_an_included_file_have_its_values(tmp_path: Path) -> None:
    """Of its `env_file`, or of .env in its folder; those of the project are over them, and others stay."""
    inner = 'services: {cache: {image: "redis:${REDIS_V}", environment: {A: "$A-${B:-b}-$$C"}}}'
    more = {"infra/compose.yaml": inner, "infra/.env": "REDIS_V=7\nA=inner$\n", "infra/v.env": "REDIS_V=6\n"}
    text = "include: [infra/compose.yaml]\nservices: {web: {image: x}}"
    project, report = taken(tmp_path / "a", text, more=more, environment={"B": "outer"})
    (cache,) = project.dependencies
    assert (cache.image, cache.env["A"]) == ("redis:7", "inner$-outer-$C")
    named = "include: [{path: infra/compose.yaml, env_file: infra/v.env}]\nservices: {web: {image: x}}"
    project, report = taken(tmp_path / "b", named, more=more)
    assert project.dependencies[0].image == "redis:6"
    assert "${A}" in verdicts(report)
    project, _ = taken(tmp_path / "c", text, more=more, environment={"REDIS_V": "8"})
    assert project.dependencies[0].image == "redis:8"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "sk_live_1"),
        ("MYSQL_PASSWORD", "secretpw"),
        ("X_TOKEN", "abc"),
        ("DATABASE_URL", "postgres://u:pw@db/x"),
    ],
)
def test_a_password_in_clear_needs_you(tmp_path: Path, name: str, value: str) -> None:
    """The file is for git; its value is not in the report."""
    text = f"services: {{web: {{image: x, environment: {{{name}: '{value}'}}}}}}"
    _, report = taken(tmp_path, text)
    assert verdicts(report)["web: env"] is Verdict.NEEDS_YOU
    assert value not in words(report, "web: env")
    assert f"{name}: ${{{name}}}" in words(report, "web: env")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "${API_KEY}"), ("PASSWORD_FILE", "/run/x"), ("DB_PASSWORD", "/run/secrets/x"), ("ALLOW_EMPTY_PASSWORD", "yes"),
        ("DATABASE_URL", "postgres://u:${PW}@db/x"), ("DATABASE_URL", "postgres://db/x"), ("KEYBOARD", "de"),
    ],
)  # fmt: skip
def test_what_is_no_password_in_clear(tmp_path: Path, name: str, value: str) -> None:
    """A variable, a path and a switch need nobody."""
    text = f"services: {{web: {{image: x, environment: {{{name}: '{value}'}}}}}}"
    _, report = taken(tmp_path, text, environment={"API_KEY": "1", "PW": "2"})
    assert "web: env" not in verdicts(report)


def test_a_folder_of_windows_is_no_volume(tmp_path: Path) -> None:
    """Its drive's letter looks like a name."""
    project, report = taken(tmp_path, r"services: {web: {image: x, volumes: ['C:\data:/data']}}")
    assert service(project).volumes == ()
    assert verdicts(report)["services.web.volumes[0]"] is Verdict.NEEDS_YOU


def test_a_missing_env_file_with_an_example_beside(tmp_path: Path) -> None:
    """Repositories have an example in place of the file: the row names it."""
    text = "services: {web: {image: x, env_file: [.env.production, run/gone.env, none.env]}}"
    more = {".env.production.sample": "A=1\n", "run/gone.env.example": "B=1\n"}
    _, report = taken(tmp_path, text, more=more)
    assert [words(report, f"services.web.env_file[{number}]") for number in range(3)] == [
        "there is no file .env.production: `cp .env.production.sample .env.production`, set its values, and "
        "`env_file: .env.production`",
        "there is no file run/gone.env: `cp run/gone.env.example run/gone.env`, set its values, and "
        "`env_file: run/gone.env`",
        "there is no file none.env: write it, and `env_file: none.env`",
    ]


def test_a_proxy_whose_rules_are_in_its_own_files(tmp_path: Path) -> None:
    """A tool at a port of its own did not become the site: nothing here says which service was public."""
    text = """
services:
  web: {build: ., command: /start}
  flower: {image: "mher/flower:2", ports: ["5555:5555"]}
  proxy: {build: ./proxy, ports: ["0.0.0.0:80:80", "0.0.0.0:443:443"]}
"""
    more = {"proxy/Dockerfile": "FROM traefik:v3\nCOPY traefik.yml /etc/traefik/\n"}
    project, report = taken(tmp_path, text, more=more)
    assert not any(one.routes for one in project.services)
    assert (
        verdicts(report)["services.proxy"]
        is verdicts(report)["services.flower.ports[0]"]
        is Verdict.NEEDS_YOU
    )
    assert "write `routes` of the services it served" in words(report, "services.proxy")


def test_a_port_of_another_protocol_gets_no_route(tmp_path: Path) -> None:
    """A game's server speaks no HTTP: its port is published."""
    project, _ = taken(tmp_path, 'services: {mc: {image: "itzg/minecraft-server", ports: ["25565:25565"]}}')
    assert (service(project, "mc").routes, service(project, "mc").forwards) == ((), ("25565:25565",))


def test_two_ports_for_a_proxy_in_front(tmp_path: Path) -> None:
    """Both rows say that the two cannot have the same route."""
    ports = 'ports: ["127.0.0.1:{0}:{0}"]'
    services = ", ".join(
        f"{name}: {{image: x, {ports.format(port)}}}" for name, port in (("a", 3000), ("b", 4000))
    )
    _, report = taken(tmp_path, f"services: {{{services}}}")
    assert all(
        "two services cannot have the same" in words(report, f"services.{name}.ports[0]") for name in "ab"
    )


def test_a_missing_env_file_of_a_dependency(tmp_path: Path) -> None:
    """A dependency has no `env_file`: the row must not ask for one."""
    _, report = taken(tmp_path, "services: {web: {image: x}, db: {image: 'postgres:16', env_file: none.env}}")
    assert words(report, "services.db.env_file") == (
        "there is no file none.env: write it, and its variables in `env`, as `NAME: ${NAME}`"
    )
