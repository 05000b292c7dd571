"""Compose files of different kinds, and `ftl init --from` with one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.onboarding.takeover.taking_over import take_over
from tests.unit.onboarding.conftest import put_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.models.project import Project, Service
    from ftl.onboarding.takeover.report import TakeoverReport, Verdict

BESIDE = {
    "Dockerfile": "FROM scratch\nEXPOSE 7000\n",
    "a/Dockerfile": "FROM scratch\n",
    "b/docker/Dockerfile.prod": "FROM scratch AS run\n",
    "frontend/Dockerfile": "FROM scratch\n",
    "backend/Dockerfile": "FROM scratch\n",
    ".env": "POSTGRES_PASSWORD=secret\nPOSTGRES_USER=u\n",
    "web.env": "W=1\n",
    "db.env": "POSTGRES_DB=x\nPOSTGRES_PASSWORD=y\n",
    "conf.ini": "",
    "cert.pem": "",
    "password.txt": "secret",
    "folder/x": "",
}
"""Files beside each Compose file."""

COMPOSE = {
    text.partition("\n")[0].removeprefix("# "): text
    for text in (file.read_text() for file in sorted((Path(__file__).parent / "cases").glob("*.yaml")))
}
"""Title, which is a file's first line -> its text."""


def taken(
    folder: Path,
    *texts: str,
    environment: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[Project, TakeoverReport]:
    """Take over Compose files, write the result, and load it."""
    put_files(folder, BESIDE | dict(more or {}))
    files = [folder / f"compose{number or ''}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    result = take_over(files, folder, environment or {})
    put_files(folder, result.files)
    demanded = [row.key[2:-1] for row in result.report.rows if "does not start without it" in row.text]
    variables = read_variables(folder, {**dict.fromkeys(demanded, "1"), **(environment or {})})
    return load(ProjectFiles(folder / "ftl.yaml", variables), fetch=None), result.report


def service(project: Project, name: str = "web") -> Service:
    """A service of the project."""
    return next(service for service in project.services if service.name == name)


def verdicts(report: TakeoverReport) -> dict[str, Verdict]:
    """Verdict of each key."""
    return {row.key: row.verdict for row in report.rows}
