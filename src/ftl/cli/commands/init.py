"""`ftl init`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.project_file import FILE
from ftl.cli.running.run import pass_options, run_sync
from ftl.common.next_step import ftl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.cli.options import Options
    from ftl.onboarding.starter import StarterFiles, StarterOptions
    from ftl.onboarding.takeover.taking_over import TakeoverResult


@click.command()
@click.option("--domain", metavar="NAME", help="Domain of the app.")
@click.option(
    "--from",
    "sources",
    metavar="FILE",
    multiple=True,
    help="Take over a Compose file (or several), Kamal's config/deploy.yml, a Procfile, app.json, fly.toml, or an "
    "ftl.yaml of the original FTL.",
)
@click.option("--dry-run", is_flag=True, help="Print the files without writing them.")
@pass_options
def command(options: Options, domain: str | None, sources: tuple[str, ...], dry_run: bool) -> None:
    """Create an ftl.yaml for the app in this folder.

    Without a Dockerfile, one is written too. FTL recognises Django, Flask, FastAPI and other Python apps (pip, uv,
    poetry), Express, Next.js and other Node apps, Vite and other sites (npm, pnpm, yarn), Go, Rails, Sinatra, Laravel,
    Spring Boot, a Procfile and plain files. It finds the port, start command, health check, migrations, workers, and
    the databases that the app's dependencies ask for, and says why. On a terminal it asks for the domain and the
    server. No existing file is changed.

    With --from, ftl.yaml is made from another tool's file instead, and a report says what became of each key.
    """
    from pathlib import Path

    path = Path(options.file or FILE)
    _refuse_existing(path)
    if sources:
        _take_over(options, path, sources, dry_run=dry_run)
        return

    def work() -> StarterFiles:
        from ftl.onboarding.new_files import write
        from ftl.onboarding.starter import make_start

        start = make_start(path.parent, _answers(options, domain), file=path.name)
        if not dry_run:
            write(path.parent, start.files, file=path.name)
        return start

    start = run_sync(options, "init", work, lambda start: _fields(path, start, dry_run=dry_run))
    if options.json or options.quiet:
        return
    if dry_run:
        _print_files(start.files)
    else:
        _print_result(start)


def _refuse_existing(path: Path) -> None:
    """Fail before any question is asked."""
    from ftl.errors import UsageError

    if path.exists():
        raise UsageError(f"{path} already exists", hint=f"{ftl('validate')} checks it")


def _answers(options: Options, domain: str | None) -> StarterOptions:
    """Values that no file has: by option, else asked for on a terminal.

    Raises:
        UsageError: One of them is not valid.
    """
    import sys

    from ftl.cli.options import checked
    from ftl.config.values import addresses
    from ftl.onboarding.starter import StarterOptions

    server = options.server if options.server not in ("sandbox", "local") else None
    if sys.stdin.isatty() and sys.stderr.isatty() and not (options.json or options.quiet):
        domain = domain or _ask("domain (empty: set it later)")
        server = server or (_ask(f"server, as [USER@]HOST (empty: {domain})") if domain else None)
    domain = domain and checked(addresses.domain, domain)
    if server:
        checked(addresses.ssh_host, server.rpartition("@")[2])
    return StarterOptions(domain, server)


def _ask(question: str) -> str | None:
    import asyncio

    from ftl.ui.prompt import ask

    answer = asyncio.run(ask(question))
    return answer.strip() or None if answer else None


def _fields(path: Path, start: StarterFiles, *, dry_run: bool) -> Fields:
    from dataclasses import asdict

    return {
        "file": str(path),
        "dockerfile": True,
        "port": start.app.port,
        "stack": start.app.stack,
        "written": [] if dry_run else list(start.files),
        "kept": list(start.kept),
        "found": [asdict(fact) for fact in start.facts],
        "todo": list(start.todo),
        **({"files": dict(start.files)} if dry_run else {}),
    }


def _print_files(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        put(f"==> {name}")
        for line in text.splitlines() if name != ".env" else [_hidden(line) for line in text.splitlines()]:
            put(line)
        put("")


def _hidden(line: str) -> str:
    name, separator, _ = line.partition("=")
    return f"{name}=********" if separator and not line.startswith("#") else line


def _print_result(start: StarterFiles) -> None:
    from ftl.cli.output import put_table

    rows = [
        (fact.subject, fact.value, fact.reason if fact.sure else f"{fact.reason} (not sure)")
        for fact in start.facts
    ]
    put_table(("FOUND", "VALUE", "BECAUSE"), rows, sentences=("VALUE", "BECAUSE"))
    put(f"wrote {_listed(list(start.files))}" + (f"; kept {_listed(start.kept)}" if start.kept else ""))
    for text in start.todo:
        put(f"to do: {text}")
    put(f"next: {_next()}")


def _next(environment: str = "") -> str:
    """The commands after `ftl init`; of an environment where ftl.yaml alone is not for a deploy."""
    of = f"-e {environment} " if environment else ""
    trial = f"{ftl('sandbox up')}, then {ftl(f'{of}deploy --server sandbox')}"
    return f"{ftl(f'{of}validate')}; to try it without a server: {trial}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _take_over(options: Options, path: Path, sources: Sequence[str], *, dry_run: bool) -> None:
    """Write ftl.yaml from another tool's files, and print the report."""
    import os
    from pathlib import Path

    from ftl.onboarding.takeover.report import Verdict

    def work() -> TakeoverResult:
        from ftl.onboarding.new_files import write
        from ftl.onboarding.takeover.taking_over import take_over

        takeover = take_over([Path(source) for source in sources], path.parent, os.environ, file=path.name)
        if not dry_run:
            write(path.parent, takeover.files, file=path.name)
        return takeover

    takeover = run_sync(
        options, "init", work, lambda takeover: _takeover_fields(path, takeover, dry_run=dry_run)
    )
    if options.json or options.quiet:
        return
    if dry_run:
        _print_files(takeover.files)
    _print_report(takeover)
    if not dry_run:
        put(f"wrote {_listed(list(takeover.files))}")
        needed = "see to the rows that need you, then " if takeover.report.count(Verdict.NEEDS_YOU) else ""
        put(f"next: {needed}{_next(takeover.environment)}")


def _takeover_fields(path: Path, takeover: TakeoverResult, *, dry_run: bool) -> Fields:
    from dataclasses import asdict

    return {
        "file": str(path),
        "written": [] if dry_run else list(takeover.files),
        "report": [asdict(row) for row in takeover.report.rows],
        **({"files": dict(takeover.files)} if dry_run else {}),
    }


_TEXT = "AS WHAT, WHY, OR WHAT TO DO"


def _print_report(takeover: TakeoverResult) -> None:
    """Print the rows by line; those that need the user are the last, next to the prompt."""
    from ftl.cli.output import put_table
    from ftl.onboarding.takeover.report import Verdict

    several = len({row.file for row in takeover.report.rows if row.file}) > 1
    rows = [
        (
            f"{row.file}:{row.line}" if several and row.line else str(row.line or "-"),
            row.key,
            row.verdict.value,
            row.text,
        )
        for row in sorted(
            takeover.report.rows,
            key=lambda row: (row.verdict is Verdict.NEEDS_YOU, row.line == 0, row.file, row.line),
        )
    ]
    put_table(("LINE", "KEY", "VERDICT", _TEXT), rows, sentences=(_TEXT,))
    same = takeover.report.count(Verdict.TAKEN) + takeover.report.count(Verdict.CHANGED)
    sums = [
        f"{same} taken over",
        *(f"{takeover.report.count(verdict)} {verdict}" for verdict in (Verdict.LEFT_OUT, Verdict.NEEDS_YOU)),
    ]
    put(", ".join(sums))
