"""Images of a Compose file: named by variables, built on others, written in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.onboarding.takeover.report import TakeoverReport


@pytest.mark.parametrize(
    ("image", "environment", "written", "demanded"),
    [
        ("ghcr.io/acme/app:${TAG}", {}, "ghcr.io/acme/app:${TAG:?}", ["TAG"]),
        ("ghcr.io/acme/app:$TAG", {}, "ghcr.io/acme/app:${TAG:?}", ["TAG"]),
        ("ghcr.io/acme/app:${TAG:-}", {}, "ghcr.io/acme/app:${TAG:?}", ["TAG"]),
        ("${REGISTRY}/app:${TAG}", {"REGISTRY": "ghcr.io"}, "${REGISTRY}/app:${TAG:?}", ["TAG"]),
        ("${IMAGE}", {}, "${IMAGE:?}", ["IMAGE"]),
        ("acme/app@sha256:${DIGEST}", {}, "acme/app@sha256:${DIGEST:?}", ["DIGEST"]),
        ("localhost:${PORT}/app", {}, "localhost:${PORT:?}/app", ["PORT"]),
        ("acme/app:${TAG:-latest}", {}, "acme/app:${TAG:-latest}", []),
        ("acme/app${SUFFIX}", {}, "acme/app${SUFFIX:-}", []),
        ("acme/app:${TAG}", {"TAG": "1"}, "acme/app:${TAG}", []),
    ],
)
def test_an_image_that_a_variable_names(
    tmp_path: Path, image: str, environment: Mapping[str, str], written: str, demanded: list[str]
) -> None:
    """CI sets it, and not this machine: the service was lost, and the whole file refused."""
    usual = {"TAG": "1", "IMAGE": "acme/app", "DIGEST": "0" * 64, "PORT": "5000"}
    text = f'services: {{web: {{image: "{image}", ports: ["80:80"]}}}}'
    with_values = {**environment, **{name: usual[name] for name in demanded}}
    project, _ = taken(tmp_path / "set", text, environment=with_values)
    assert service(project).image
    (tmp_path / "unset").mkdir()
    _, report = taken_text(tmp_path / "unset", text, environment)
    assert f"image: {written}\n" in (tmp_path / "unset/ftl.yaml").read_text().replace('"', "")
    found = verdicts(report)
    assert [name for name in usual if f"${{{name}}}" in found] == demanded
    assert "services.web" not in found


def taken_text(folder: Path, text: str, environment: Mapping[str, str]) -> tuple[str, TakeoverReport]:
    """Take over a file whose result need not load."""
    (folder / "compose.yaml").write_text(text)
    result = take_over([folder / "compose.yaml"], folder, environment)
    (folder / "ftl.yaml").write_text(result.files["ftl.yaml"])
    return result.files["ftl.yaml"], result.report


def test_a_database_whose_version_is_a_variable(tmp_path: Path) -> None:
    """It is a dependency all the same."""
    text = 'services: {web: {image: "x:1"}, db: {image: "postgres:${PG}"}}'
    project, report = taken(tmp_path, text)
    assert [one.name for one in project.dependencies] == ["db"]
    assert "set it in .env" in words(report, "${PG}")


def test_what_is_no_image_with_any_value(tmp_path: Path) -> None:
    """It is told, and the others are taken over."""
    project, report = taken(tmp_path, 'services: {web: {image: "x:1"}, bad: {image: "A B"}}')
    assert [one.name for one in project.services] == ["web"]
    assert verdicts(report)["services.bad"] is Verdict.NEEDS_YOU


@pytest.mark.parametrize(
    ("dockerfile", "kind"),
    [
        ("FROM nginxproxy/nginx-proxy:alpine\nCOPY x /etc/nginx/\n", "none"),
        ("ARG V=3\nFROM traefik:v${V} AS base\nFROM base\nCOPY a /a\n", "none"),
        ("FROM postgres:16\nCOPY init.sql /docker-entrypoint-initdb.d/\n", "dependency"),
        ('FROM postgres:16\nCMD ["backup.sh"]\n', "service"),
        ("FROM alpine\nRUN apk add postgresql\n", "service"),
        ("FROM golang AS build\nFROM scratch\nCOPY --from=build /a /a\n", "service"),
    ],
)
def test_an_image_that_is_built_on_another(tmp_path: Path, dockerfile: str, kind: str) -> None:
    """A build that only adds files to a proxy or a database is what that is."""
    text = 'services: {web: {image: "x:1"}, other: {build: ./other}}'
    project, report = taken(tmp_path, text, more={"other/Dockerfile": dockerfile})
    found = [one.name for one in project.services], [one.name for one in project.dependencies]
    assert found == {
        "none": (["web"], []),
        "dependency": (["web"], ["other"]),
        "service": (["web", "other"], []),
    }[kind]  # fmt: skip
    assert (verdicts(report).get("services.other") is Verdict.LEFT_OUT) is (kind == "none")
    if kind == "dependency":
        (database,) = project.dependencies
        assert database.build is not None
        assert (database.build.context, database.ports) == ("./other", (5432,))


@pytest.mark.parametrize("context", [".", "./api", "api/"])
def test_a_dockerfile_in_the_file_itself(tmp_path: Path, context: str) -> None:
    """It is a file of its context; the row said that there was none."""
    build = f"{{context: {context}, dockerfile_inline: 'FROM scratch'}}"
    project, report = taken(tmp_path, f"services: {{web: {{build: {build}}}}}", more={"api/x": ""})
    assert service(project).build is not None
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml")]
    assert (tmp_path / context / "Dockerfile.web").read_text() == "FROM scratch"


def test_an_env_file_that_names_a_database_by_its_own_name(tmp_path: Path) -> None:
    """That is its host name here, too: there is nothing to write."""
    text = 'services: {web: {image: "x:1", env_file: app.env}, db: {image: "postgres:16", hostname: pg}}'
    _, report = taken(tmp_path / "a", text, more={"app.env": "DATABASE_URL=postgres://u:p@db:5432/x\n"})
    assert not [row for row in report.rows if "names the host" in row.text]
    _, report = taken(tmp_path / "b", text, more={"app.env": "DATABASE_URL=postgres://u:p@pg:5432/x\n"})
    assert [row.key for row in report.rows if "names the host pg: write db" in row.text] == [
        "services.web: pg"
    ]


@pytest.mark.parametrize(
    ("web", "image"),
    [
        ("{build: {context: ., target: run}, image: shop}", "shop"),
        ("{build: {context: ., target: run}, image: 'shop:latest'}", "docker.io/library/shop"),
        ("{build: {context: ., target: run}, image: 'acme/shop:${TAG:-1}'}", "acme/shop:1"),
        ("{build: {context: ., target: run}}", "project-web"),
    ],
)
def test_a_worker_with_the_image_of_its_sibling_is_built_as_that(
    tmp_path: Path, web: str, image: str
) -> None:
    """It was pulled: a stranger's image of that name, or an old one."""
    text = f"name: project\nservices: {{web: {web}, worker: {{image: '{image}', command: work}}, other: {{image: x}}}}"
    project, report = taken(tmp_path, text)
    worker, other = service(project, "worker"), service(project, "other")
    assert (worker.image, worker.command, other.image) == (None, "work", "x")
    assert worker.build == service(project).build
    assert worker.port is None
    assert (
        words(report, "services.worker.image")
        == "build, that of web, which makes this image: no registry has it"
    )
