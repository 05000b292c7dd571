"""`ftl init`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.project import FILE
from ftl.cli.run import pass_options, run_sync

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.cli.options import Options
    from ftl.onboarding.starter import Answers, Start


@click.command()
@click.option("--domain", metavar="NAME", help="Domain of the app.")
@click.option("--dry-run", is_flag=True, help="Print the files, write nothing.")
@pass_options
def command(options: Options, domain: str | None, dry_run: bool) -> None:
    """Create an ftl.yaml for the app in this folder.

    Without a Dockerfile, one is written too. FTL recognises Django, Flask, FastAPI and other Python apps (pip, uv,
    poetry), Express, Next.js and other Node apps, Vite and other sites (npm, pnpm, yarn), Go, Rails, Laravel, Spring
    Boot, a Procfile and plain files. It finds the port, start command, health check, migrations, workers, and the
    databases that the app's dependencies ask for, and says why. On a terminal it asks for the domain and the server. No
    existing file is changed.
    """
    from pathlib import Path

    path = Path(options.file or FILE)
    _refuse_existing(path)

    def work() -> Start:
        from ftl.onboarding.starter import make_start, write

        start = make_start(path.parent, _answers(options, domain), file=path.name)
        if not dry_run:
            write(path.parent, start, file=path.name)
        return start

    start = run_sync(options, "init", work, lambda start: _fields(path, start, dry_run=dry_run))
    if options.json or options.quiet:
        return
    if dry_run:
        _print_files(start)
    else:
        _print_result(start)


def _refuse_existing(path: Path) -> None:
    """Fail before any question is asked.

    Raises:
        UsageError: The file exists already.
    """
    from ftl.errors import UsageError

    if path.exists():
        raise UsageError(f"{path} already exists", hint="`ftl validate` checks it")


def _answers(options: Options, domain: str | None) -> Answers:
    """Values that no file has: by option, else asked for on a terminal.

    Raises:
        UsageError: One of them is not valid.
    """
    import sys

    from ftl.config.values import scalars
    from ftl.errors import UsageError
    from ftl.onboarding.starter import Answers

    server = options.server if options.server not in ("sandbox", "local") else None
    if sys.stdin.isatty() and sys.stderr.isatty() and not (options.json or options.quiet):
        domain = domain or _ask("domain (empty: set it later)")
        server = server or (_ask(f"server, as [USER@]HOST (empty: {domain})") if domain else None)
    checks = ((domain, scalars.domain), (server and server.rpartition("@")[2], scalars.ssh_host))
    for value, parse in checks:
        try:
            parse(value) if value else None
        except scalars.InvalidValue as error:
            raise UsageError(f"`{value}` {error.message}", hint=error.hint) from None
    domain = domain and scalars.domain(domain)
    return Answers(domain, server)


def _ask(question: str) -> str | None:
    import asyncio

    from ftl.ui.prompt import ask

    answer = asyncio.run(ask(question))
    return answer.strip() or None if answer else None


def _fields(path: Path, start: Start, *, dry_run: bool) -> Fields:
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


def _print_files(start: Start) -> None:
    for name, text in start.files.items():
        put(f"==> {name}")
        for line in text.splitlines() if name != ".env" else [_hidden(line) for line in text.splitlines()]:
            put(line)
        put("")


def _hidden(line: str) -> str:
    name, separator, _ = line.partition("=")
    return f"{name}=********" if separator and not line.startswith("#") else line


def _print_result(start: Start) -> None:
    from ftl.cli.output import put_table

    rows = [
        (fact.subject, fact.value, fact.reason if fact.sure else f"{fact.reason} (not sure)")
        for fact in start.facts
    ]
    put_table(("FOUND", "VALUE", "BECAUSE"), rows, sentences=("VALUE", "BECAUSE"))
    put(f"wrote {_listed(list(start.files))}" + (f"; kept {_listed(start.kept)}" if start.kept else ""))
    for text in start.todo:
        put(f"to do: {text}")
    put(
        "next: `ftl validate`; to try it without a server: `ftl sandbox up`, then `ftl deploy --server sandbox`"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
