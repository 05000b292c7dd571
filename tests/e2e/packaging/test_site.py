"""The documentation's site, built and looked at in a real browser."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from lab.prepare import Tool, ensure
from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHONE, DESK = 390, 1280
"""Widths of windows, in CSS pixels."""

LOOK = """<!doctype html><title>look</title><pre id=found></pre><script>
const pages = PAGES, found = [], frame = document.createElement("iframe");
frame.style = "border:0;height:900px;width:WIDTHpx";
document.body.append(frame);
async function look(page) {
  await new Promise(done => { frame.onload = done; frame.src = page; });
  const seen = frame.contentDocument, root = seen.documentElement;
  for (const image of seen.images)
    if (!image.complete || image.naturalWidth === 0) found.push(page + ": image " + image.src);
  const wider = root.scrollWidth - root.clientWidth;
  if (wider > 0) found.push(page + ": wider than the window by " + wider);
  if (!seen.querySelector("h1")) found.push(page + ": no title");
  return frame.contentWindow.getComputedStyle(seen.body).backgroundColor;
}
(async () => {
  const colours = new Set();
  for (const page of pages) colours.add(await look(page));
  document.getElementById("found").textContent = JSON.stringify({found, colours: [...colours]});
})();
</script>"""


class References(HTMLParser):
    """Links, images, scripts and style sheets of a page, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and "stylesheet" in values.get("rel", ""):
            self.loads.append(values.get("href", ""))
        elif tag in ("img", "script", "iframe", "source") and "src" in values:
            self.loads.append(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make site` makes it."""
    folder = tmp_path_factory.mktemp("site") / "site"
    argv = (sys.executable, "-m", "tools.site", str(folder))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of Chromium, installed if it is missing."""
    ensure((Tool("chromium", "chromium"),))
    path = shutil.which("chromium")
    assert path, "Chromium is needed"
    return path


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site on a port of this machine, for pages that look into each other."""
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Static files without a log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Drop it."""


def rendered(chromium: str, url: str, folder: Path, *options: str) -> str:
    """A page's document after its scripts have run, as HTML."""
    argv = (
        chromium,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder}",
        "--virtual-time-budget=60000",
        f"--window-size={DESK},900",
        *options,
        "--dump-dom",
        url,
    )
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pages(site: Path) -> list[Path]:
    """All pages of the site."""
    return sorted(site.rglob("*.html"))


def test_no_link_is_dead(site: Path) -> None:
    """Every link within the site leads to a file, and to an anchor that the page has."""
    references = {page.resolve(): References(page) for page in pages(site)}
    dead = []
    for page, seen in references.items():
        for link in seen.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            known = references.get(target)
            if not target.is_file() or (
                parts.fragment and known and unquote(parts.fragment) not in known.anchors
            ):
                dead.append(f"{page.name}: {link}")
    assert len(references) > 50
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and images are the site's own: it works without a network."""
    loads = {load for page in pages(site) for load in References(page).loads}
    assert loads
    assert [load for load in loads if urlsplit(load).netloc] == []
    styles = " ".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"url\(\s*[\"']?(https?:)?//", styles) == []


@pytest.mark.parametrize(("scheme", "width"), [("light", PHONE), ("dark", DESK)])
def test_pages_are_whole_in_a_browser(
    site: Path, address: str, chromium: str, tmp_path: Path, scheme: str, width: int
) -> None:
    """Each page has its title and images, fits the window, and follows the scheme that the reader prefers."""
    names = [
        str(page.relative_to(site))
        for page in pages(site)
        if page.name not in ("genindex.html", "search.html")
    ]
    text = LOOK.replace("PAGES", repr(names)).replace("WIDTH", str(width))
    (site / f"look-{scheme}.htm").write_text(text)
    preference = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    document = rendered(chromium, f"{address}/look-{scheme}.htm", tmp_path, preference)
    found = re.search(r'<pre id="found">(.*?)</pre>', document, re.DOTALL)
    assert found, document[:2000]
    assert found[1].startswith('{"found":[],'), found[1]
    colours = [int(value) for value in re.findall(r"rgb\((\d+)", found[1])]
    assert colours
    assert (
        all(value > 200 for value in colours) if scheme == "light" else all(value < 60 for value in colours)
    )


def test_search_finds_a_page_without_a_server(site: Path, chromium: str, tmp_path: Path) -> None:
    """A word is found on its page from the files alone, as from a folder on a disk."""
    document = rendered(chromium, f"{(site / 'search.html').as_uri()}?q=rollback", tmp_path)
    results = re.search(r'<ul[^>]* class="search".*?</ul>', document, re.DOTALL)
    assert results, document[-2000:]
    assert "how-to/roll-back.html" in results[0]
