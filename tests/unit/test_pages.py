"""Commands on the pages of the documentation are those of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from ftl.cli.app import cli
from tests.harness import ROOT
from tests.support.pages import arguments, mentioned, page_commands

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAGES = [
    page
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    if page.name != "cli.md"  # made from the program
]


def named(page: Path) -> str:
    """What a page is called in a test's name."""
    return str(page.relative_to(ROOT))


def refusal(words: Sequence[str], *, partial: bool = False) -> str:
    """Why the command line refuses these arguments; empty if it takes them.

    Args:
        words: The arguments after `ftl`.
        partial: They only name a command: what it needs may be missing, or a word in capitals stands for it.
    """
    try:
        context = cli.make_context("ftl", list(words))
        while isinstance(context.command, click.Group):
            rest = [*context._protected_args, *context.args]
            if not rest:
                return ""
            name, command, rest = context.command.resolve_command(context, rest)
            assert command is not None
            context = command.make_context(name, rest, parent=context)
    except (click.exceptions.NoArgsIsHelpError, click.exceptions.MissingParameter) as error:
        return "" if partial else error.format_message()
    except click.exceptions.Exit:  # --help, --version
        return ""
    except click.BadParameter as error:
        return "" if partial and any(word.isupper() for word in words) else error.format_message()
    except click.BadOptionUsage as error:
        return "" if partial and "requires an argument" in error.message else error.format_message()
    except click.UsageError as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_on_pages_exist(page: Path) -> None:
    """Every call of `ftl` in a block of commands has options and arguments that the program knows."""
    calls = [(command.line, command.text, command.words) for command in page_commands(page) if command.words]
    assert [(line, text, why) for line, text, words in calls if (why := refusal(words))] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_in_sentences_exist(page: Path) -> None:
    """So has every call between backticks, which may leave out arguments."""
    found = {}
    for call in mentioned(page.read_text()):
        if why := refusal(arguments(call), partial=True):
            found[call] = why
    assert found == {}
