"""`ftl config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftl.cli.output import Fields, put
from ftl.cli.project import find_project_files, load_project
from ftl.cli.running.run import pass_options, run_sync
from ftl.config.read.parts import ALL_SECRETS

if TYPE_CHECKING:
    from ftl.cli.options import Options


@click.command()
@click.option("--show-secrets", is_flag=True, help="Print values of env and of variables unmasked.")
@click.option(
    "--origin", is_flag=True, help="Print the file and line, the option or the variable of each value."
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of ftl.yaml instead.")
@pass_options
def command(options: Options, show_secrets: bool, origin: bool, schema: bool) -> None:
    """Print the resolved ftl.yaml.

    Variables are substituted, short forms expanded and defaults added. Secrets are masked: all values of env, and
    values of variables in commands, hooks and build arguments.

    With -e, the result is that of ftl.yaml and the environment's overlay, and --origin shows which file each value
    comes from, or that --server or a variable of the environment gives it.

    For checks and completion in an editor, run `ftl config --schema > ftl.schema.json` and begin ftl.yaml with
    `# yaml-language-server: $schema=ftl.schema.json`.
    """
    notes: list[str] = []

    def work() -> Fields:
        if schema:
            from ftl.config.schema import schema as json_schema

            return {"schema": json_schema()}
        from ftl.config.dump import dump, origins
        from ftl.config.notes import shadow_notes

        project = load_project(
            options, fetch=ALL_SECRETS if show_secrets else None, show_secrets=show_secrets
        ).project
        config = dump(project, show_secrets=show_secrets)
        notes.extend(shadow_notes(project, find_project_files(options).variables))
        return {"config": config, **({"origin": origins(project)} if origin else {})}

    fields = run_sync(options, "config", work, lambda fields: fields)
    if options.json:
        return
    from ftl.ui.sanitize import escaped

    if schema:
        from json import dumps

        put(dumps(fields["schema"], indent=2))
    elif origin:
        from ftl.config.dump import origin_lines

        for line in origin_lines(fields["config"], fields["origin"]):
            put(line)
    else:
        put(_as_yaml(fields["config"]))
    for note in notes if not options.quiet else ():
        click.echo(f"note: {escaped(note)}", err=True)


def _as_yaml(config: object) -> str:
    """YAML with the same values: characters that a terminal must not show are escaped by YAML's rules."""
    from yaml import safe_dump

    from ftl.ui.sanitize import escaped

    text = safe_dump(config, sort_keys=False, allow_unicode=True, width=1000)
    if escaped(text) != text:
        text = safe_dump(config, sort_keys=False, allow_unicode=False, width=1000)
    return text.rstrip()
