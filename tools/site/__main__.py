"""Build the site of `docs/` into `build/site`: `python -m tools.site [FOLDER]`.

docs/ stays plain Markdown that GitHub shows as well. For the site it is copied with what it links to outside of
docs/ (the changelog, examples), and docs/index.md's lists become the navigation, so that there is one list of pages.
Sphinx, MyST and Furo make it: search and both colour schemes work without a server or network. Any warning of
theirs (a dead link, a page that docs/index.md does not list) fails the build.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
OUTSIDE = Path("repository")
"""Folder of the site for what lies outside of docs/."""

TIMEOUT = 600
"""Seconds for one command: an installation from a slow network, or a build on a busy machine."""

_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
_SECTION = re.compile(r"^## +(.+)$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Build; 1 if Sphinx complains."""
    target = Path(arguments[0]).resolve() if arguments else ROOT / "build" / "site"
    if importlib.util.find_spec("furo") is None:
        install()
    with tempfile.TemporaryDirectory(prefix="ftl-site-") as folder:
        source = Path(folder)
        stage(source)
        shutil.rmtree(target, ignore_errors=True)
        options = (
            "-q",
            "-W",
            "--keep-going",
            "-b",
            "html",
            "-c",
            str(Path(__file__).parent),
            "-d",
            f"{folder}/.cache",
        )
        done = subprocess.run(
            (sys.executable, "-m", "sphinx", *options, folder, str(target)), check=False, timeout=TIMEOUT
        )
    if done.returncode == 0:
        shutil.rmtree(target / ".doctrees", ignore_errors=True)
        print(f"site: {target / 'index.html'}")
    return 1 if done.returncode else 0


def install() -> None:
    """Bring what builds the site, as locked."""
    options = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes")
    lock = str(ROOT / "requirements-site.txt")
    subprocess.run(
        (sys.executable, "-m", "pip", "install", *options, "-r", lock), check=True, timeout=TIMEOUT
    )


def stage(folder: Path) -> None:
    """Copy docs/, and all that its pages link to, into Sphinx's source folder."""
    waiting = [path for path in DOCS.rglob("*") if path.is_file()]
    copied: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in copied:
            continue
        copied.add(path)
        target = folder / place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".md":
            shutil.copyfile(path, target)
            continue
        text, linked = relink(path)
        waiting += linked
        if path == DOCS / "index.md":
            text = with_navigation(text)
        elif not path.is_relative_to(DOCS):
            text = f"---\norphan: true\n---\n\n{text}"
        target.write_text(text)


def place(path: Path) -> Path:
    """A file's path in the site."""
    return path.relative_to(DOCS) if path.is_relative_to(DOCS) else OUTSIDE / path.relative_to(ROOT)


def relink(page: Path) -> tuple[str, list[Path]]:
    """A page's text with links as the site needs them, and the files that they name.

    A folder, which a site of pages does not show, becomes its name alone.
    """
    linked: list[Path] = []

    def link(found: re.Match[str]) -> str:
        target = (page.parent / found[1]).resolve()
        if not target.is_file():
            return "](#)" if not target.exists() else "]"
        linked.append(target)
        start = place(page).parent
        return f"]({os.path.relpath(place(target), start)}{found[2] or ''})"

    # every second part is a fence
    parts = _FENCE.split(page.read_text())
    parts[::2] = [_ANCHOR.sub(r"[]{#\1}", _LINK.sub(link, prose)) for prose in parts[::2]]
    return "".join(parts), linked


def with_navigation(index: str) -> str:
    """docs/index.md with its sections' links as the site's navigation."""
    heads = list(_SECTION.finditer(index))
    trees = [tree("", _LINK.findall(index[: heads[0].start()]))] if heads else []
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        section = index[head.end() : following.start() if following else None]
        trees.append(tree(head[1], _LINK.findall(section)))
    return index + "".join(trees)


def tree(caption: str, links: list[tuple[str, str]]) -> str:
    """One group of the navigation, as MyST writes it."""
    pages = list(dict.fromkeys(path for path, anchor in links if path.endswith(".md") and not anchor))
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return (
        "\n```{toctree}\n" + options + "\n" + "".join(f"{page}\n" for page in pages) + "```\n"
        if pages
        else ""
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
