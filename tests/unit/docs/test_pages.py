"""Commands and tests that the documentation names exist."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import click
import pytest

from ftl.cli.app import cli
from tests.harness import ROOT
from tests.support.pages import arguments, blocks, mentioned, page_commands
from tests.support.walks import WALKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.harness import Project

PAGES = [
    page
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    if page.name != "cli.md"  # made from the program
]

FOR_USERS = [
    page for page in PAGES if page.parent.name == "how-to" or page.name in ("README.md", "tutorial.md")
]

_TYPED = re.compile(
    r"^(?:\$ |(?:sudo |[A-Z_]+=\S+ )*(?:ftl|age|apt|apt-get|cat|cd|chmod|cp|curl|docker|echo|export|for|gh|git|glab"
    r"|if|kamal|make|mkdir|mv|openssl|pip|pipx|rm|rsync|scp|ssh|ssh-[a-z]+|sudo|systemctl|tail|tar|uv|uvx|while) )",
    re.MULTILINE,
)
"""A line that somebody would type into a shell."""


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


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_is_run_or_has_a_reason(page: Path) -> None:
    """A page with commands has a reader in tests/e2e/packaging/test_docs.py, who leaves none out without saying why."""
    texts = Counter(command.text for command in page_commands(page) if command.words)
    walk = WALKS.get(named(page))
    assert walk is not None or not texts
    if walk is not None:
        texts = Counter(command.text for command in page_commands(page))
        known = {
            *texts,
            *(f"{text} ({number})" for text, times in texts.items() for number in range(2, times + 1)),
        }
        assert {*walk.skipped, *walk.edits, *walk.codes, *walk.watched} - {"*"} - known == set()
        assert [command for command, reason in walk.skipped.items() if len(reason.split()) < 3] == []
        assert [word for word in walk.replaced if word not in page.read_text()] == []


@pytest.mark.parametrize("page", FOR_USERS, ids=named)
def test_every_block_of_commands_is_walked(page: Path) -> None:
    """A page for users with commands of any program has a reader, who does not leave out all of it.

    No block hides commands: one without a language whose lines somebody would type is taken for output.
    """
    walk = WALKS.get(named(page))
    assert walk is not None or page_commands(page) == []
    assert walk is None or "*" not in walk.skipped
    texts = [
        block for block in blocks(page.read_text()) if not block.is_shell and block.language in ("", "text")
    ]
    assert [(block.line, block.text) for block in texts if _TYPED.search(block.text)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_tests_on_pages_exist(page: Path) -> None:
    """A promise names its test by a path under tests/, or the end of one; a test in it by its function."""
    files = {f"/{path.relative_to(ROOT)}": path for path in ROOT.glob("tests/**/test_*.py")}
    missing = []
    for path, function in re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?`", page.read_text()):
        texts = [file.read_text() for known, file in files.items() if known.endswith(f"/{path}")]
        if not any(f"def {function}" in text for text in texts):
            missing.append(f"{path}::{function}")
    assert missing == []


SHOP = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    ".python-version": "3.13\n",
    "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["django", "psycopg[binary]", "celery", "gunicorn"]\n',
    "uv.lock": "version = 1\n",
    "shop/settings.py": 'WSGI_APPLICATION = "shop.wsgi.application"\nSTATIC_ROOT = "static"\n',
    "shop/urls.py": 'urlpatterns = [path("healthz/", health)]\n',
    "shop/celery.py": 'app = Celery("shop")\n',
}


def test_init_finds_what_the_page_shows(ftl: Callable[..., Project]) -> None:
    """The app of the page about `ftl init` has the table that is printed there."""
    page = page_commands(ROOT / "docs/how-to/start.md")
    (shown,) = (command.output for command in page if command.text == "ftl init" and command.output)
    printed = ftl({f"shop/{name}": text for name, text in SHOP.items()}).run("init", cwd="shop").ok().stdout
    assert [line.split() for line in printed.splitlines()] == [line.split() for line in shown]


def test_readers_are_those_of_pages() -> None:
    """No page is gone."""
    assert set(WALKS) <= {named(page) for page in PAGES}
