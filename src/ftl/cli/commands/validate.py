"""`ftl validate`."""

from __future__ import annotations

import click

from ftl.cli.common import Fields, Options, load_project, pass_options, put, run_sync


@click.command()
@pass_options
def command(options: Options) -> None:
    """Check ftl.yaml and the files it names.

    Reports everything that is wrong at once, each with its place, and exits 2 if anything is. No server and
    no engine is asked, so it runs anywhere: in an editor, in a commit hook, in CI.
    """

    def work() -> Fields:
        project, root = load_project(options)
        if project.proxy.certificate or project.proxy.acme_ca_root:
            from ftl.deploy.plan.sites import read_files

            read_files(project, root)
        return {
            "project": project.name,
            "server": project.server.host,
            "services": len(project.services),
            "dependencies": len(project.dependencies),
            "routes": sum(len(service.routes) for service in project.services),
        }

    fields = run_sync(options, "validate", work)
    if not options.json and not options.quiet:
        counts = ", ".join(
            _counted(fields[many], one, many)
            for one, many in (("service", "services"), ("dependency", "dependencies"), ("route", "routes"))
        )
        put(f"{fields['project']} is valid: {counts}")


def _counted(count: object, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
