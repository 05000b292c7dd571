"""`ftl secrets`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ftl.cli.options import checked
from ftl.cli.output import Fields, put, put_table
from ftl.cli.project import find_project_files
from ftl.cli.running.run import pass_options, run_sync
from ftl.common.next_step import bare_ftl, ftl
from ftl.errors import FtlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.cli.options import Options
    from ftl.config.age.age_file import AgeFile
    from ftl.config.models.project import Secret
    from ftl.config.secrets import ProjectSecrets

_TEMPLATE = """\
# One `NAME: value` per line. ftl.yaml takes a value from here with
#   secrets:
#     NAME: {{age: {file}}}
"""
_MAX_VALUE = 1_000_000


@click.group()
def command() -> None:
    """List, print, set and edit the project's secrets."""


@command.command("list")
@pass_options
def list_secrets(options: Options) -> None:
    """List the secrets with their sources, and the services that use them. No value is fetched."""

    def work() -> list[Fields]:
        from ftl.config.loading import load_secrets

        secrets = load_secrets(find_project_files(options))
        return [_row(each, secrets) for each in secrets.declared.values()]

    rows = run_sync(options, "secrets list", work, lambda rows: {"secrets": rows})
    if options.json:
        return
    if not rows:
        put("ftl.yaml has no secrets")
        return
    put_table(
        ("NAME", "SOURCE", "USED BY"),
        [(str(row["name"]), str(row["source"]), ", ".join(_names(row)) or "-") for row in rows],
        optional=("SOURCE",),
    )


@command.command("get")
@click.argument("name")
@pass_options
def get_secret(options: Options, name: str) -> None:
    """Fetch a secret from its source, and print its value."""

    def work() -> tuple[Fields, str]:
        from ftl.config.loading import load_secrets

        secrets = load_secrets(find_project_files(options))
        secret = secrets.declared.get(name) or _unknown(name, secrets)
        value = secrets.fetch_all([secret])[name]
        return {**_row(secret, secrets), "value": value}, value

    _, value = run_sync(options, "secrets get", work, lambda secrets: {"secrets": [secrets[0]]})
    if not options.json:
        from ftl.cli.output import writing

        with writing():
            sys.stdout.write(value + "\n")
            sys.stdout.flush()


@command.command("set")
@click.argument("name")
@pass_options
def set_secret(options: Options, name: str) -> None:
    """Set a secret in the age file of the project, to a value from stdin or a prompt."""
    from ftl.config.age.age_file import AgeFile, with_value
    from ftl.config.loading import load_secrets

    files = find_project_files(options)
    secrets = load_secrets(files)
    file, key = _place(name, secrets)
    age_file = AgeFile(files.folder / file, files.variables)
    value = _asked_for(options, name)

    def work() -> bool:
        with age_file.locked():
            text = _text(age_file) if age_file.path.exists() else ""
            return age_file.write(with_value(text, key, value, file))

    secret = secrets.declared.get(name)
    row = _row(secret, secrets) if secret else {"name": name, "source": f"age: {file}"}
    new = run_sync(options, "secrets set", work, lambda _: {"secrets": [{"used_by": (), **row}]})
    if not options.json and not options.quiet:
        put(f"{name} is set in {file}")
        _explain(age_file, new=new)
        if secret is None:
            put(f"add it below `secrets` in ftl.yaml: {name}: {{age: {file}}}")


@command.command("edit")
@click.argument("age_file", metavar="[FILE]", required=False)
@pass_options
def edit_secrets(options: Options, age_file: str | None) -> None:
    """Edit an age file of the project, or a new one, in $VISUAL or $EDITOR.

    It is encrypted again for the public keys in FILE.recipients, even if no value has changed.
    """
    from ftl.config.age.age_file import AgeFile
    from ftl.config.loading import load_secrets

    files = find_project_files(options)
    secrets = load_secrets(files)
    name = age_file or _only_file(secrets)
    file = AgeFile(files.folder / name, files.variables)

    def fields(edited: tuple[bool, Sequence[str]]) -> Fields:
        return {"file": name, "secrets": _rows_of(name, edited[1], secrets)}

    new, _ = run_sync(options, "secrets edit", lambda: _edit(file, name), fields)
    if not options.json and not options.quiet:
        put(f"re-encrypted {name}")
        _explain(file, new=new)


def _rows_of(file: str, keys: Sequence[str], secrets: ProjectSecrets) -> list[Fields]:
    """The secrets of an age file; names in it that ftl.yaml does not declare have no users."""
    declared = [secret for secret in secrets.declared.values() if secret.age == file]
    rows: list[Fields] = []
    for key in keys:
        own = [secret for secret in declared if (secret.key or secret.name) == key]
        rows += [_row(secret, secrets) for secret in own]
        rows += [] if own else [{"name": key, "source": f"age: {file}", "used_by": []}]
    return rows


def _edit(age_file: AgeFile, file: str) -> tuple[bool, tuple[str, ...]]:
    """Edit until the text is a map; return whether the file of recipients is new, and the names in the map."""
    from ftl.cli.editor import open_editor
    from ftl.config.age.age_file import parse_map
    from ftl.errors import ConfigError

    with age_file.locked():
        before = _encrypted(age_file)
        text = _TEMPLATE.format(file=file) if before is None else _text(age_file)
        name = age_file.path.name.removesuffix(".age")
        with open_editor(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml", os.environ) as editor:
            while True:
                text = editor.edit(text)
                try:
                    names = tuple(parse_map(text, file))
                    break
                except ConfigError as error:
                    if not _again(error):
                        raise
        now = _encrypted(age_file)
        if now != before:
            message = f"{file} was changed by another program while you edited it"
            raise FtlError(message, hint=f"nothing was written: run {ftl('secrets edit')} again")
        return age_file.write(text), names


def _again(error: FtlError) -> bool:
    """Show the mistake in an edited text, and wait for Enter to edit it again."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    from ftl.ui.failure import draw
    from ftl.ui.style import Style

    sys.stderr.write(
        draw([error], Style.of(sys.stderr))
        + "\nPress Enter to edit it again, Ctrl-C to discard the changes. "
    )
    sys.stderr.flush()
    return sys.stdin.readline() != ""


def _asked_for(options: Options, name: str) -> str:
    """The value: all of stdin without the newline at its end, or a line that is typed without an echo."""
    if sys.stdin.isatty():
        from ftl.cli.running.event_loop import run_async
        from ftl.ui.prompt import ask

        value = run_async(options, "secrets set", lambda _: ask(f"value of {name}", secret=True)) or ""
    else:
        data = sys.stdin.buffer.read(_MAX_VALUE + 1)
        if len(data) > _MAX_VALUE:
            raise UsageError(f"the value is larger than {_MAX_VALUE:,} bytes")
        try:
            value = data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise UsageError(
                "the value is not UTF-8 text",
                hint=f"encode it: `base64 FILE | {bare_ftl('secrets set NAME')}`",
            ) from None
    if not value.strip():
        raise UsageError(
            "the value is empty", hint=f"pipe it in: `pass show {name} | {bare_ftl(f'secrets set {name}')}`"
        )
    from ftl.common.redact import redact

    redact([value])
    return value


def _text(age_file: AgeFile) -> str:
    """The decrypted text of a file that exists; its values are redacted from now on."""
    from ftl.common.redact import redact
    from ftl.config.age.age_file import parse_map
    from ftl.errors import ConfigError

    text = age_file.read()
    with suppress(ConfigError):  # to be mended in the editor
        redact(parse_map(text, age_file.name).values())
    return text


def _encrypted(age_file: AgeFile) -> bytes | None:
    """The file as it is; None where there is none."""
    with suppress(FileNotFoundError):
        return age_file.read_encrypted()
    return None


def _place(name: str, secrets: ProjectSecrets) -> tuple[str, str]:
    """The age file of a secret, and its name there."""
    from ftl.config.values.scalars import variable_name

    checked(variable_name, name)
    secret = secrets.declared.get(name)
    if secret is None:
        return _only_file(secrets), name
    if secret.age is None:
        message = f"the source of {name} is {_source(secret, secrets)}, not an age file"
        raise UsageError(message, hint="change it there, or in ftl.yaml to `{age: secrets.yaml.age}`")
    return secret.age, secret.key or name


def _only_file(secrets: ProjectSecrets) -> str:
    """The one age file of the project."""
    from ftl.config.age.age_file import DEFAULT

    files = sorted({secret.age for secret in secrets.declared.values() if secret.age is not None})
    if len(files) > 1:
        message = f"the project has {len(files)} age files: {', '.join(files)}"
        raise UsageError(message, hint=f"declare the secret in ftl.yaml, or {ftl('secrets edit FILE')}")
    return files[0] if files else DEFAULT


def _unknown(name: str, secrets: ProjectSecrets) -> Secret:
    from ftl.common.suggestions import closest_match

    match = closest_match(name, tuple(secrets.declared))
    hint = f"did you mean `{match}`?" if match else f"{ftl('secrets list')} lists them"
    raise UsageError(f"ftl.yaml has no secret `{name}`", hint=hint)


def _explain(age_file: AgeFile, *, new: bool) -> None:
    if new:
        name = age_file.recipients_path.name
        put(
            f"it is encrypted for your public key in {name}: add those of others there, and commit both files"
        )


def _row(secret: Secret, secrets: ProjectSecrets) -> Mapping[str, object]:
    users = secrets.used_by.get(secret.name, ())
    return {"name": secret.name, "source": _source(secret, secrets), "used_by": list(users)}


def _names(row: Fields) -> list[str]:
    names = row["used_by"]
    return [str(name) for name in names] if isinstance(names, list) else []


def _source(secret: Secret, secrets: ProjectSecrets) -> str:
    from ftl.cli.views.secret_sources import source_of

    return source_of(secret, secrets.written_command(secret.name))
