"""`ftl completion`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftl.cli.completion.values import VARIABLE
from ftl.cli.output import Fields, put
from ftl.cli.running.run import pass_options, run_sync
from ftl.common.files import read_small_file
from ftl.common.next_step import ftl
from ftl.errors import UsageError

if TYPE_CHECKING:
    from ftl.cli.options import Options

SHELLS = ("bash", "zsh", "fish")
_LINE = "# completion of ftl"
_ZSH = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }"


@click.group()
def command() -> None:
    """Complete commands, options and names in bash, zsh or fish.

    `ftl completion install` is enough. Services, dependencies, jobs and environments come from ftl.yaml, releases and
    servers from earlier commands; the Tab key never opens a connection.
    """


@command.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@pass_options
def install(options: Options, shell: str | None) -> None:
    """Install completion for a shell: the given one, or that of $SHELL.

    It is loaded by the shell's own folder for completions, or by a line at the end of its startup file. Running it
    again changes nothing.
    """

    def work() -> Fields:
        name = shell or _current_shell()
        return {"shell": name, "files": [str(path) for path in _install(name)]}

    fields = run_sync(options, "completion install", work, lambda fields: fields)
    if not options.json and not options.quiet:
        files = fields["files"]
        put(f"completion for {fields['shell']}: {', '.join(files) if isinstance(files, list) else ''}")
        put("open a new shell to use it")


@command.command()
@click.argument("shell", type=click.Choice(SHELLS))
@pass_options
def script(_options: Options, shell: str) -> None:
    """Print the completion script of a shell."""
    for line in _script(shell).splitlines():
        put(line)


def _script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None
    complete = completion(command, {}, "ftl", VARIABLE)
    # Not `source`, which starts a bash to ask for its version.
    text = complete.source_template % complete.source_vars()
    return f"{_ZSH}\n{text}" if shell == "zsh" else text


def _current_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(
            "cannot tell which shell you use",
            hint=f"name it: {ftl(f'completion install {SHELLS[0]}')}, or {', '.join(SHELLS[1:])}",
        )
    return name


def _install(shell: str) -> list[Path]:
    """Write the script where the shell finds it.

    Returns:
        The files that have it now.
    """
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    if shell == "fish":
        return [_written(config / "fish" / "completions" / "ftl.fish", shell)]
    file = _written(data / "ftl" / f"completion.{shell}", shell)
    startup = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc" if shell == "zsh" else home / ".bashrc"
    try:
        text = read_small_file(startup).decode(errors="surrogateescape") if startup.exists() else ""
        if _LINE not in text:
            with startup.open("a", encoding="utf-8") as opened:
                separator = "" if not text or text.endswith("\n") else "\n"
                opened.write(f'{separator}[ -f "{file}" ] && . "{file}" {_LINE}\n')
    except OSError as error:
        raise UsageError(f"{startup} cannot be written", cause=error.strerror) from error
    return [file, startup]


def _written(path: Path, shell: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_script(shell), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written", cause=error.strerror) from error
    return path
