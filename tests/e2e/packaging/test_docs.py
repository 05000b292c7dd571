"""The pages of the documentation, followed by a reader who types their commands."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.harness import ROOT, Project
from tests.support.pages import blocks
from tests.support.reader import Reader, compare, has_the_same_header
from tests.support.walks import WALKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness import Outcome
    from tests.support.pages import Command

pytestmark = [pytest.mark.server, pytest.mark.nightly, pytest.mark.timeout(900)]

TUTORIAL = "docs/tutorial.md"
PAGES = [
    page for page, walk in WALKS.items() if page != TUTORIAL and "*" not in walk.skipped and not walk.servers
]


AGE = "apt-get -q download age || { apt-get -q update && apt-get -q download age; }; dpkg -x age_*.deb ."


@pytest.fixture(scope="module")
def path(user: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with `age`: Debian's package, unpacked, where it is not installed."""
    if shutil.which("age") or not shutil.which("apt-get"):
        return user["PATH"]
    folder = tmp_path_factory.mktemp("age")
    subprocess.run(("sh", "-ec", AGE), cwd=folder, check=True, capture_output=True)
    return f"{folder}/usr/bin:{user['PATH']}"


@pytest.fixture(scope="module")
def sandbox(
    engine: str, busybox: str, proxy_image: str, user: dict[str, str], path: str
) -> Iterator[dict[str, str]]:
    """The environment of readers whose server `shop.example.com` is a sandbox."""
    images.ensure("postgres")
    environment = {**user, "PATH": path, "FTL_SANDBOX": f"docs-{secrets.token_hex(4)}"}
    project = Project(ROOT, environment)
    there = project.run("sandbox", "up", "--json", timeout=600).ok().result
    config = Path(user["HOME"], ".ssh", "config")
    before = config.read_text()
    lines = ("Host *example.com", "HostName 127.0.0.1", f"Port {there['port']}", "User ftl",
             f"IdentityFile {there['key']}", "StrictHostKeyChecking accept-new")  # fmt: skip
    config.write_text(before + "\n  ".join(lines) + "\n")
    yield environment
    config.write_text(before)
    project.run("sandbox", "down").ok()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_true(page: str, sandbox: dict[str, str], tmp_path: Path) -> None:
    """Each of its commands does its work, from the first to the last."""
    folder = tmp_path / "shop"
    folder.mkdir()
    reader = Reader(WALKS[page], folder, sandbox)
    try:
        for block in blocks((ROOT / page).read_text()):
            reader.follow(block, has_the_same_header)
    finally:
        for project in ("", "-e staging ", "-e preview/pr-12 ", "--file ../blog/ftl.yaml "):
            reader.run(f"ftl {project}remove --volumes --backups --yes")
        # The next reader begins with r1
        forget = "cd /var/lib/docker/volumes/ftl-state/_data && rm -rf shop* blog*"
        argv = ("docker", "exec", f"ftl-sandbox-{sandbox['FTL_SANDBOX']}", "sh", "-c", forget)
        subprocess.run(argv, check=True, capture_output=True)


def test_the_tutorial_prints_what_it_shows(
    engine: str, proxy_image: str, user: dict[str, str], tmp_path: Path
) -> None:
    """Each kind of line is on the page, and each line of the page is printed, but for figures."""
    images.ensure("python")
    folder = tmp_path / "hello"
    folder.mkdir()
    environment = {**user, "FTL_SANDBOX": f"docs-{secrets.token_hex(4)}"}
    reader = Reader(WALKS[TUTORIAL], folder, environment)
    # On a terminal curl shows no meter beside an answer
    Path(user["HOME"], ".curlrc").write_text("silent\nshow-error\n")
    # An app that this machine's builder has not seen
    reader.learn("import signal\n", f"import signal  # {environment['FTL_SANDBOX']}\n")

    def check(command: Command, outcome: Outcome) -> None:
        if command.text == "ftl sandbox up":
            there = Project(folder, environment).run("sandbox", "status", "--json").ok().result
            reader.learn("32829", str(there["http_port"]))
            reader.learn("~/.local/state/ftl/sandbox/sandbox/id_ed25519", str(there["key"]))
        if command.output:
            compare([reader.own(line) for line in command.output], outcome)

    try:
        for block in blocks((ROOT / TUTORIAL).read_text()):
            reader.follow(block, check)
    finally:
        reader.run("ftl sandbox down")
