"""`ftl doctor`."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl.cli.output import put, put_json
from ftl.cli.project import LoadedProject, load_project, load_section, load_target, load_target_parts
from ftl.cli.project_file import find_file
from ftl.cli.running.run import pass_options, run
from ftl.common.figures import count
from ftl.errors import ConfigError, FtlError, ServerError, UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options
    from ftl.config.models.project import Server
    from ftl.errors import Problem
    from ftl.events import Emit
    from ftl.server.doctor import DoctorRequest, Finding, Level, Report


@click.command()
@pass_options
def command(options: Options) -> None:
    """Check this machine, the server and the connection; suggest fixes.

    Checks the tools and keys on this machine, the server and its Docker, the server's ports that can be reached from
    outside, the domains, the certificates and the logins to registries. Nothing is changed. Each problem comes with its
    fix. With `servers`, all of them are checked, or the one of --server, and their cluster. What is wrong in ftl.yaml
    is among the problems. Without an ftl.yaml (and without --server) only this machine is checked.

    The exit code is 1 when something would break a deploy or keep visitors away, and 3 when the server cannot
    be reached.
    """
    request, all_servers, mistakes = _request(options)

    async def work(_: Emit) -> Report:
        from ftl.server.doctor import run_checks

        if request.project is not None and all_servers:
            from ftl.server.cluster.doctor import check_cluster

            report = await check_cluster(request.project, request.root)
        else:
            report = await run_checks(request)
        report = replace(report, findings=(*mistakes, *report.findings))
        _show(report, options)
        _raise_if_bad(report)
        return report

    report = run(
        options, "doctor", work, lambda report: {"problems": 0, "warnings": _count(report, "warning")}
    )
    if not options.json and not options.quiet:
        warnings = _count(report, "warning")
        suffix = f" ({count(warnings, 'warning')})" if warnings else ""
        put(f"\nready to deploy{suffix}")


def _request(options: Options) -> tuple[DoctorRequest, bool, list[Finding]]:
    """The project and server to check, whether all its servers are checked, and mistakes in its file.

    A missing file is an error only where -f names it. A mistake is one only where it is in what is checked.
    """
    from ftl.server.doctor import DoctorRequest

    try:
        find_file(options.file)
    except UsageError:
        if options.file is not None:
            raise
        return DoctorRequest(None, _given_server(options), Path()), False, []
    mistakes: list[Finding] = []
    try:
        project, root, address = load_project(options)
    except ConfigError as error:
        project, root, address = _checked_parts(options)
        mistakes += map(_mistake, error.problems)
    request = DoctorRequest(project, address.server if address.server.host else None, root)
    return request, project.is_cluster and not address.narrowed, mistakes


def _checked_parts(options: Options) -> LoadedProject:
    """The checked parts of the project alone, where another part of its file has mistakes.

    Raises:
        ConfigError: One of these is wrong, too.
    """
    from ftl.config.read.parts import CHECKED

    target = load_target(options, None)
    project = load_target_parts(options, target, CHECKED)
    with suppress(ConfigError):
        project = replace(project, registries=load_section(options, "registries").registries)
    return LoadedProject(project, target.root, target.address)


def _mistake(problem: Problem) -> Finding:
    from ftl.server.doctor import Finding

    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return Finding("here", place, "problem", problem.message, problem.hint)


def _given_server(options: Options) -> Server | None:
    """The server of --server."""
    if options.server is None:
        return None
    from ftl.cli.address import resolve

    return resolve(options.server).server


def _show(report: Report, options: Options) -> None:
    """Print the findings, as text (with -q only problems and warnings) or as JSON."""
    if options.json:
        for finding in report.findings:
            put_json({"type": "finding", **asdict(finding)})
        return
    from ftl.ui.findings import draw

    shown = [finding for finding in report.findings if finding.level != "ok" or not options.quiet]
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    width = shutil.get_terminal_size().columns
    for line in draw(shown, width=width, is_unicode=is_unicode):
        put(*line)


def _count(report: Report, level: Level) -> int:
    return sum(finding.level == level for finding in report.findings)


def _raise_if_bad(report: Report) -> None:
    """Fail if a finding is a problem.

    Raises:
        ServerError: The server cannot be reached; the findings of all other checks have been printed.
        FtlError: Something would break a deploy, or keep visitors from what is deployed.
    """
    refused, problems = report.unreachable, _count(report, "problem")
    if refused is not None:
        raise ServerError(f"the server could not be checked: {refused.message}", cause=refused.cause)
    if problems:
        raise FtlError(f"{count(problems, 'problem')} found", hint="see the fix listed under each problem")
