"""Checks of the documentation: links, files in examples, make targets, options."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import yaml

from ftl.config.loading import load
from ftl.config.models.project import Project
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from tests.harness import ROOT
from tests.support.pages import Block, blocks

TOPS = ("bench", "examples", "lab", "src", "tests", "tools")
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    if ".venv" not in page.parts
)
INTERNAL = [
    page
    for page in PAGES
    if page.parent.name in ("decisions", "explanation") or page.name in ("CONTRIBUTING.md", "reliability.md")
]
"""Pages that name the repository's files; others name files of the user's."""

REST = {
    "project": "project: {name: shop, domain: shop.example.com}",
    "services": "services: [{name: web, build: ., port: 8000, routes: [/]}]",
    "dependencies": 'dependencies: [{name: postgres, image: "postgres:16", env: {POSTGRES_PASSWORD: x}}]',
}
"""Keys at the top of an ftl.yaml -> what stands there where a page does not show it."""

_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MAKE = re.compile(r"\bmake ([a-z][a-z-]+)")
_FILE = re.compile(r"`((?!test_)[a-z0-9_./-]+\.(?:py|sh))`")
_ANCHOR = re.compile(r'<a id="([^"]+)">')


def named(page: Path) -> str:
    """What a page is called in a test's name."""
    return str(page.relative_to(ROOT))


def files() -> list[tuple[Path, Block]]:
    """Every ftl.yaml that is shown on a page, in whole or in part, and every overlay of an environment."""
    shown = [(page, block) for page in PAGES for block in blocks(page.read_text())]
    return [(page, block) for page, block in shown if block.language in ("", "yaml") and _keys(block)]


def _keys(block: Block) -> set[str]:
    """The keys at its top, if they are those of ftl.yaml and not of another tool's file."""
    try:
        content = yaml.safe_load(block.text)
    except yaml.YAMLError:
        return set()
    keys = set(content) if isinstance(content, dict) else set()
    compose = isinstance(content, dict) and isinstance(content.get("services"), dict)
    return keys if keys <= {each.name for each in fields(Project)} and not compose else set()


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


@pytest.mark.parametrize("page", INTERNAL, ids=named)
def test_modules_on_pages_exist(page: Path) -> None:
    """A module or script that a page for contributors names is in the repository, by the end of its path."""
    missing = [name for name in _FILE.findall(page.read_text()) if f"/{name}" not in _ends_of_paths()]
    assert missing == []


@cache
def _ends_of_paths() -> frozenset[str]:
    """Every end of a path in the repository, from a slash on."""
    paths = [path for top in TOPS for path in (ROOT / top).rglob("*") if path.suffix in (".py", ".sh")]
    return frozenset(
        "/" + "/".join(path.parts[start:]) for path in paths for start in range(1, len(path.parts))
    )


def anchors(page: Path) -> set[str]:
    """The anchors of a page: of its headings, as GitHub makes them, and those that are written out."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", _CODE.sub("", text), re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(_ANCHOR.findall(text))


@pytest.mark.parametrize("shown", files(), ids=lambda shown: f"{named(shown[0])}:{shown[1].line}")
def test_files_can_be_loaded(shown: tuple[Path, Block], tmp_path: Path) -> None:
    """FTL accepts every ftl.yaml on a page; what a part leaves out comes from a small one."""
    _, block = shown
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    keys, name, environment = _keys(block), Path(block.file or "ftl.yaml").name, ""
    if name != "ftl.yaml":
        environment = name.removeprefix("ftl.").removesuffix(".yaml")
        (tmp_path / name).write_text(block.text)
        (tmp_path / "ftl.yaml").write_text("\n".join(REST.values()))
    else:
        rest = [text for key, text in REST.items() if key not in keys]
        (tmp_path / "ftl.yaml").write_text("\n".join([block.text, *rest]))
    values = dict.fromkeys(re.findall(r"[A-Z][A-Z_]+", block.text), "https://example.com")
    variables = read_variables(tmp_path, {**values, "FTL_ENV": environment})
    project = load(
        ProjectFiles(tmp_path / "ftl.yaml", variables, environment, preview=environment == "preview"),
        fetch=None,
    )
    assert project.name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    """`make something` on a page is a target of the Makefile."""
    known = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    spans = re.findall(r"`([^`\n]+)`|^ {4}(make .*)$", page.read_text(), re.MULTILINE)
    named_targets = {target for span in spans for target in _MAKE.findall("".join(span))}
    assert named_targets <= known


def test_decisions_are_listed_with_their_numbers_and_titles_in_order() -> None:
    """The number of a decision is that of its file and of its title, and docs/index.md lists all of them so."""
    lines = re.findall(
        r"^- (\d+): \[(.+)\]\(decisions/(.+?)\)", (ROOT / "docs/index.md").read_text(), re.MULTILINE
    )
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    titles = [page.read_text().splitlines()[0] for page in pages]
    assert [int(page.name[:4]) for page in pages] == [int(number) for number, _, _ in lines]
    assert titles == [f"# {number}. {title}" for number, title, _ in lines]
    assert [page.name for page in pages] == [name for _, _, name in lines]


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
