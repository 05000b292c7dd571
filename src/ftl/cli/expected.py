"""Services and dependencies that should run: those of ftl.yaml, or those that were deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftl.cli.project import load_target_parts
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.cli.options import Options
    from ftl.cli.project import DeployedProject
    from ftl.config.models.project import Project
    from ftl.config.read.parts import Parts
    from ftl.engine.api import Engine
    from ftl.errors import Problem
    from ftl.events import Emit


class Expected(NamedTuple):
    """Project whose units should run, as far as ftl.yaml says it.

    Attributes:
        project: The project of the file; None: it was not read (--project), or cannot be.
        problem: Why it cannot be.
    """

    target: DeployedProject
    project: Project | None = None
    problem: Problem | None = None

    @property
    def source(self) -> str:
        """Its origin, for messages."""
        return "the live release" if self.project is None else "ftl.yaml"

    def note(self, emit: Emit) -> None:
        """Say that the file cannot be read, if it is so."""
        from ftl.events import Note

        if self.problem is not None:
            why = f"{self.problem.file}:{self.problem.line}: {self.problem.message}"
            emit(Note(f"what was deployed is shown: {why}", "warning", hint=self.problem.hint))

    async def on(self, engine: Engine) -> Project:
        """The project of the file; without one, as this server has recorded it.

        Raises:
            FtlError: The record cannot be read.
        """
        if self.project is not None:
            return self.project
        from ftl.operations.deployed import deployed_project

        return await deployed_project(engine, self.target.bare_project)


def load_expected(options: Options, target: DeployedProject, parts: Parts) -> Expected:
    """Read the desired services: parts of the file, on the target's servers, and no secret.

    A variable that is not set stops nothing: the server knows its value from when the project was deployed.
    """
    if not target.has_file:
        return Expected(target)
    try:
        return Expected(target, load_target_parts(options, target, parts))
    except ConfigError as error:
        return Expected(target, problem=error.problems[0])


async def own_names(expected: Expected, emit: Emit, *, jobs: bool) -> Sequence[str]:
    """Names whose logs there are: those of ftl.yaml, or without it those that the servers have.

    A note says where their lines are shown without a record of secrets to mask.
    """
    from ftl.operations.views.logs.query import names_of

    if expected.project is not None:
        return names_of(expected.project, jobs=jobs)
    from ftl.events import Note
    from ftl.host.fleet import open_readable
    from ftl.operations.views.logs.known_names import deployed_names

    target = expected.target
    async with open_readable(target.address.readable(project=target.project), emit) as fleet:
        info = fleet.first.info
        if info.node and not info.is_manager and not target.address.servers:
            why = f"{fleet.first.name} is not a manager of its cluster, and has no records"
            emit(Note(f"secrets are not masked: {why}", "warning"))
        return await deployed_names(fleet, target.bare_project, jobs=jobs)
