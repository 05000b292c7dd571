"""`ftl init --from` with Compose files."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ftl.config.cross_checks import check_secret_files
from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.takeover.compose.taking_over import COMPOSE, service, taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path


def test_every_address_of_a_host_is_taken_over(tmp_path: Path) -> None:
    """Compose has one, or a list of them."""
    hosts = "{db: [203.0.113.7, 203.0.113.8], a: 203.0.113.9}"
    project, report = taken(tmp_path, f"services:\n  web:\n    image: x:1\n    extra_hosts: {hosts}\n")
    assert service(project).extra_hosts == ("db:203.0.113.7", "db:203.0.113.8", "a:203.0.113.9")
    assert verdicts(report)["services.web.extra_hosts"] is Verdict.TAKEN


@pytest.mark.parametrize("text", COMPOSE.values(), ids=list(COMPOSE))
def test_what_is_written_is_valid_and_every_key_has_a_verdict(tmp_path: Path, text: str) -> None:
    """The result is valid, and each key of each service has a row, with a reason unless it is taken over."""
    project, report = taken(tmp_path, text)
    check_secret_files(project, tmp_path)
    assert project.services
    assert [row for row in report.rows if row.verdict is not Verdict.TAKEN and not row.text] == []
    keys = set(verdicts(report))
    source: dict[str, Any] = yaml.safe_load(text)
    for name, keys_of_service in source["services"].items():
        for key, value in keys_of_service.items():
            if value in (None, [], "") or key.startswith("x-") or f"services.{name}" in keys:
                continue
            prefix = f"services.{name}.{key}"
            assert [row for row in keys if row == prefix or row.startswith((f"{prefix}.", f"{prefix}["))], (
                prefix
            )
    for key in source:
        assert (
            key in keys
            or key == "services"
            or any(row.startswith(f"{key}.") for row in keys)
            or not source[key]
        ), key
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")], report.rows


def test_configs_and_secrets_become_files(tmp_path: Path) -> None:
    """A service gets configs and secrets at Compose's paths, with its permissions; a dependency both as texts."""
    text = """
services:
  web:
    build: .
    secrets: [cert, {source: password, target: pw, uid: "1000", mode: 0440}]
    configs: [nginx, {source: text, target: /etc/app.conf}]
    volumes: ["./run.sh:/run.sh", "cache:/cache", "./conf.ini:/cache/conf.ini"]
  db: {image: "postgres:16", secrets: [password], environment: {POSTGRES_PASSWORD_FILE: /run/secrets/password}}
  locked: {image: "x:1", read_only: true, configs: [nginx], secrets: [password]}
secrets: {password: {environment: DB_PASSWORD}, cert: {file: ./cert.pem}}
configs: {nginx: {file: ./conf.ini}, text: {content: "a=${A}"}}
"""
    (tmp_path / "run.sh").write_text("#!/bin/sh")
    (tmp_path / "run.sh").chmod(0o755)
    project, report = taken(tmp_path, text, environment={"DB_PASSWORD": "s3cret", "A": "1"})
    web, database = service(project), project.dependencies[0]
    assert [(secret.name, secret.file, secret.mode, secret.owner) for secret in web.secrets] == [
        ("cert", "/run/secrets/cert", "0444", "0:0"),
        ("password", "/run/secrets/pw", "0440", "1000:0"),
    ]
    assert {(file.path, file.content, file.mode) for file in web.files if "secrets" not in file.path} == {
        ("/run.sh", "#!/bin/sh", "0755"),
        ("/nginx", "", "0444"),
        ("/etc/app.conf", "a=1", "0444"),
    }
    assert [(file.path, file.mode) for file in database.files] == [("/run/secrets/password", "0444")]
    found = verdicts(report)
    refused = ("web.volumes[2]", "locked.configs[0]", "locked.secrets[0]")
    assert {found[f"services.{key}"] for key in refused} == {Verdict.NEEDS_YOU}


def test_the_network_of_the_server_is_not_taken_over(tmp_path: Path) -> None:
    """Host networking and the network of another container need the user; the usual one does not."""
    text = "services: {a: {image: x, network_mode: host}, b: {image: x, network_mode: 'service:a'}, c: {image: x, network_mode: bridge}}"
    _, report = taken(tmp_path, text)
    found = verdicts(report)
    assert [found[f"services.{name}.network_mode"] for name in "abc"] == [
        Verdict.NEEDS_YOU,
        Verdict.NEEDS_YOU,
        Verdict.LEFT_OUT,
    ]


def test_several_platforms_are_for_those_who_pull_the_image(tmp_path: Path) -> None:
    """They are left out, and the reason has the keys that push the image for all of them, where it has a name."""
    build = "build: {context: ., platforms: [linux/amd64, linux/arm64]}"
    _, report = taken(tmp_path, f"services: {{a: {{{build}, image: acme/a}}, b: {{{build}}}}}")
    said = {row.key: (row.verdict, row.text) for row in report.rows if row.key.endswith("platforms")}
    assert {verdict for verdict, _ in said.values()} == {Verdict.LEFT_OUT}
    keys = "`image: acme/a` and `build.platforms: [linux/amd64, linux/arm64]`"
    assert [keys in text for _, text in said.values()] == [True, False]


def test_there_are_enough_kinds() -> None:
    """At least thirty Compose files are tried."""
    assert len(COMPOSE) >= 30


def test_databases_become_dependencies(tmp_path: Path) -> None:
    """A known image is a dependency, with its environment, volume and port; `depends_on` on it is not needed."""
    project, report = taken(tmp_path, COMPOSE["web and postgres"])
    (database,) = project.dependencies
    assert (database.name, database.image, database.ports) == ("db", "postgres:16-alpine", (5432,))
    assert database.volumes == ("data:/var/lib/postgresql/data",)
    assert (service(project).port, service(project).routes[0].path) == (8000, "/")
    assert verdicts(report)["services.web.depends_on"] is Verdict.LEFT_OUT


def test_labels_of_traefik_become_routes(tmp_path: Path) -> None:
    """Hosts, paths and ports of Traefik's labels are routes, and Traefik itself is left out."""
    project, report = taken(tmp_path, COMPOSE["traefik"])
    assert project.project.domain == "shop.example.org"
    assert [(route.host, route.path) for route in service(project, "shop").routes] == [
        (None, "/"),
        ("www.example.org", "/"),
    ]
    assert [(route.host, route.path) for route in service(project, "api").routes] == [(None, "/api")]
    assert service(project, "api").port == 4000
    assert verdicts(report)["services.traefik"] is Verdict.LEFT_OUT


def test_variables_mean_what_they_meant(tmp_path: Path) -> None:
    """`$NAME` gets braces, `$$` stays, and an unset one is empty in a text, and not there without one, as in Compose."""
    project, report = taken(
        tmp_path, COMPOSE["environment as a list, and variables"], environment={"TOKEN": "t"}
    )
    assert service(project).env == {"TOKEN": "t", "PLAIN": "a=b", "MONEY": "$5 and  or x"}
    assert service(project).port == 80
    assert verdicts(report)["${UNSET}"] is Verdict.NEEDS_YOU
    assert verdicts(report)["services.web.environment: FROM_SHELL"] is Verdict.LEFT_OUT


def test_health_checks(tmp_path: Path) -> None:
    """A request to the service's own port is a path; any other command runs in the container."""
    project, _ = taken(tmp_path, COMPOSE["healthchecks in all forms"])
    check = service(project, "a").health_check
    assert check is not None
    assert check.path == "/health"
    inside = service(project, "b").container.health_check
    assert inside is not None
    assert (inside.cmd, inside.retries, inside.start_period) == ("test -f /tmp/ok", 5, 90)
    database = project.dependencies[0].container.health_check
    assert database is not None
    assert database.cmd == "pg_isready -U $POSTGRES_USER"


def test_ports(tmp_path: Path) -> None:
    """One port gets the requests; the other published ones are forwards, with their addresses and protocols."""
    project, report = taken(tmp_path, COMPOSE["ports in all forms"])
    web = service(project)
    assert verdicts(report)["services.inner.ports[0]"] is Verdict.LEFT_OUT
    assert web.port == 8080
    assert web.forwards == (
        "127.0.0.1:9000:9000",
        "3000:3000",
        "3001:3001",
        "3002:3002",
        "6060:6060/udp",
        "127.0.0.1:9443:9443",
        "[::1]:9444:9444",
    )


def test_builds(tmp_path: Path) -> None:
    """Contexts, files, targets and arguments are taken over; an inline Dockerfile becomes a file."""
    project, _ = taken(tmp_path, COMPOSE["build in all forms"])
    build = service(project, "b").build
    assert build is not None
    assert (build.context, build.dockerfile, build.target, build.platform) == (
        "./b",
        "docker/Dockerfile.prod",
        "run",
        "linux/amd64",
    )
    assert build.args == {"VERSION": "1"}, "TOKEN is not set: the Dockerfile's own default counts"
    assert (tmp_path / "Dockerfile.c").read_text() == "FROM scratch\n"
    assert service(project, "d").image is None


def test_several_files_are_merged(tmp_path: Path) -> None:
    """Of several files, maps are merged by key, lists are appended, and commands are replaced."""
    base = "services: {web: {build: ., command: a, environment: {A: '1', B: '1'}, volumes: [x:/x, y:/y], ports: ['80:80']}}"
    over = "services: {web: {command: [b, c], environment: [B=2], volumes: [z:/y]}, db: {image: 'postgres:16', environment: {POSTGRES_PASSWORD: x}}}"
    project, _ = taken(tmp_path, base, over)
    web = service(project)
    assert web.command == ("b", "c")
    assert web.env == {"A": "1", "B": "2"}
    assert web.volumes == ("x:/x", "z:/y")
    assert project.dependencies[0].name == "db"


def test_extends_and_include_follow_their_files(tmp_path: Path) -> None:
    """Relative paths of an extended or included file start from its folder."""
    more = {
        "common/base.yaml": "services: {base: {build: ./app, env_file: a.env, environment: {A: '1'}}}",
        "common/a.env": "X=1\n",
        "common/app/Dockerfile": "FROM scratch\n",
        "mod/compose.yaml": "services: {worker: {build: ., volumes: ['./data:/d']}}",
        "mod/Dockerfile": "FROM scratch\n",
    }
    text = "include: [mod/compose.yaml]\nservices: {web: {extends: {file: common/base.yaml, service: base}, ports: ['80:80']}}"
    project, _ = taken(tmp_path, text, more=more)
    web, worker = service(project), service(project, "worker")
    assert web.build is not None
    assert worker.build is not None
    assert web.build.context == "./common/app"
    assert web.env == {"X": "1", "A": "1"}
    assert worker.build.context == "./mod"


def test_profiles_that_are_active(tmp_path: Path) -> None:
    """COMPOSE_PROFILES selects profiles, as for Compose."""
    project, report = taken(tmp_path, COMPOSE["profiles"], environment={"COMPOSE_PROFILES": "debug"})
    assert [one.name for one in project.services] == ["web", "debug"]
    assert "services.debug" not in verdicts(report)


def test_replicas_and_limits(tmp_path: Path) -> None:
    """Replicas are taken over unless published ports forbid it."""
    project, report = taken(tmp_path, COMPOSE["replicas with published ports"])
    assert service(project).replicas == 2
    assert service(project, "vpn").replicas == 1
    assert verdicts(report)["services.vpn.deploy.replicas"] is Verdict.NEEDS_YOU


def test_replicas_on_one_volume_stay(tmp_path: Path) -> None:
    """Containers that share a volume on purpose are not made one at a time, as a single one is."""
    text = "services: {web: {image: 'x:1', volumes: ['d:/d'], deploy: {replicas: 2}}, one: {image: 'x:1', volumes: ['e:/e']}}"
    project, _ = taken(tmp_path, text)
    assert (service(project).replicas, service(project).recreate) == (2, False)
    assert service(project, "one").recreate


def test_what_ftl_does_not_have_gets_a_sentence_and_a_next_step(tmp_path: Path) -> None:
    """Docker in Docker, devices that are no files, and misspelt keys need the user; defaults in full do not."""
    text = """
services:
  dind: {image: "docker:28-dind", privileged: true, tty: false}
  web: {build: ., ports: ["80:80"], privileged: false, enviroment: {A: 1}, devices: [/dev/kvm, vendor.com/gpu=0, {source: /dev/a, target: /dev/b, permissions: r}]}
"""
    project, report = taken(tmp_path, text)
    rows = {row.key: row for row in report.rows}
    assert "Docker in Docker cannot run: mount the server's engine" in rows["services.dind.privileged"].text
    assert rows["services.web.enviroment"].text == "did you mean `environment`?"
    assert rows["services.web.devices[1]"].verdict is Verdict.NEEDS_YOU
    assert service(project).devices == ("/dev/kvm", "/dev/a:/dev/b:r")
    left = ("services.dind.tty", "services.web.privileged")
    assert {rows[key].verdict for key in left} == {Verdict.LEFT_OUT}


def test_a_folder_below(tmp_path: Path) -> None:
    """Paths of a file in a subfolder are relative to ftl.yaml afterwards."""
    put_files(tmp_path, {"Dockerfile": "FROM x", "deploy/app.env": "A=1"})
    (tmp_path / "deploy/compose.yaml").write_text("services: {web: {build: .., env_file: [app.env]}}")
    result = take_over([tmp_path / "deploy/compose.yaml"], tmp_path, {})
    assert "build: .\n" in result.files["ftl.yaml"]
    assert "env_file: deploy/app.env" in result.files["ftl.yaml"]
