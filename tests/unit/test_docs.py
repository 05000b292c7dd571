"""Checks of the documentation: links, files in examples, make targets, options."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from ftl.config import load, read_variables
from tests.harness import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    if ".venv" not in page.parts
)
SECRETS = dict.fromkeys(("POSTGRES_PASSWORD", "DB_PASSWORD", "HOME"), "s3cret")

_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"\bmake ([a-z][a-z-]+)")
_ANCHOR = re.compile(r'<a id="([^"]+)">')


def named(page: Path) -> str:
    """What a page is called in a test's name."""
    return str(page.relative_to(ROOT))


def files() -> list[tuple[Path, str]]:
    """Every whole ftl.yaml that is shown on a page; the overlays of environments are none."""
    shown = [(page, block) for page in PAGES for block in _YAML.findall(page.read_text())]
    whole = re.compile(r"(?!# ftl\.\w+\.yaml\n)(?:.*\n)*?project:")
    return [(page, block) for page, block in shown if whole.match(block)]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and an anchor that the page has."""
    broken = []
    for link in _LINK.findall(_CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page: of its headings, as GitHub makes them, and those that are written out."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", _CODE.sub("", text), re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(_ANCHOR.findall(text))


@pytest.mark.parametrize("shown", files(), ids=lambda shown: named(shown[0]))
def test_files_can_be_loaded(shown: tuple[Path, str], tmp_path: Path) -> None:
    """Every whole ftl.yaml on a page is one that FTL accepts."""
    _, text = shown
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    if "services:" not in text:
        text += "services: [{name: web, build: .}]\n"
    (tmp_path / "ftl.yaml").write_text(text)
    assert load(tmp_path / "ftl.yaml", variables=read_variables(tmp_path, SECRETS)).name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    """`make something` on a page is a target of the Makefile."""
    known = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    spans = re.findall(r"`([^`\n]+)`|^ {4}(make .*)$", page.read_text(), re.MULTILINE)
    named_targets = {target for span in spans for target in _MAKE.findall("".join(span))}
    assert named_targets <= known


def test_decisions_have_unique_numbers_and_are_listed() -> None:
    """The number of a decision is that of its file and of its title, and docs/index.md links to it."""
    index = (ROOT / "docs/index.md").read_text()
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(numbers) == len(set(numbers))
    for page in pages:
        title = page.read_text().splitlines()[0]
        assert title.startswith(f"# {int(page.name[:4])}. "), page.name
        assert f"(decisions/{page.name})" in index, page.name


def test_architecture_names_files_that_exist() -> None:
    """Every path of src/ftl that the page on the architecture names is there."""
    text = (ROOT / "docs/explanation/architecture.md").read_text()
    paths = {
        path for path in re.findall(r"`([a-z_]+/[a-z_/]+\.(?:py|sh))`", text) if not path.startswith("tests/")
    }
    assert [path for path in sorted(paths) if not (ROOT / "src/ftl" / path).exists()] == []


def test_messages_of_the_troubleshooting_page_exist() -> None:
    """A heading in backticks is a message: all its longer words are in the strings of one module of src/ftl."""
    page = (ROOT / "docs/troubleshooting.md").read_text()
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    messages = [message for heading in headings for message in re.findall(r"`([^`]+)`", heading)]
    words = {message: set(_WORD.findall(message)) for message in messages if not _COMMAND.match(message)}
    modules = [set(_WORD.findall(text)) for text in program_texts()]
    assert [message for message in words if not any(words[message] <= module for module in modules)] == []


_COMMAND = re.compile(r"(ftl|pip|apt-get)\b")
_WORD = re.compile(r"[a-z]{4,}")


def program_texts() -> list[str]:
    """The strings of each module, and each shell script."""
    source = ROOT / "src/ftl"
    scripts = [path.read_text() for path in source.rglob("*.sh")]
    return scripts + ["\n".join(strings(path)) for path in source.rglob("*.py")]


def strings(module: Path) -> list[str]:
    """All strings of a module, docstrings too; of f-strings the parts between placeholders."""
    nodes = ast.walk(ast.parse(module.read_text()))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
