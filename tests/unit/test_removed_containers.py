"""Containers that FTL removes: their anonymous volumes go with them, wherever it is done."""

from __future__ import annotations

import re
from pathlib import Path

import ftl

SOURCES = Path(ftl.__file__).parent
REMOVES = re.compile(r"\bdocker(?:_within \S+)?(?: container)? rm\b([^|&;\n]*)")
RUNS = re.compile(r"\bdocker(?:_within \S+)?(?: container)? run\b([^|&;\n]*)")


def test_scripts_remove_containers_with_their_anonymous_volumes() -> None:
    """An image's `VOLUME` would leave one on the server each time."""
    scripts = {path: path.read_text() for path in SOURCES.rglob("*.sh")}
    removals = [(path.name, words) for path, text in scripts.items() for words in REMOVES.findall(text)]
    assert len(removals) > 5
    assert [(name, words) for name, words in removals if " --volumes " not in words] == []
    runs = [(path.name, words) for path, text in scripts.items() for words in RUNS.findall(text)]
    assert [(name, words) for name, words in runs if " --rm " not in words] == []


def test_one_call_of_the_api_removes_containers() -> None:
    """That of the engine's client, which has them remove these volumes, too."""
    calls = {path.name: text for path in SOURCES.rglob("*.py") if '"DELETE"' in (text := path.read_text())}
    removing = [name for name, text in calls.items() if "containers/" in text]
    assert removing == ["containers.py"]
    (query,) = re.findall(r'"DELETE", path, query', calls["containers.py"])
    assert query
    assert '{"force": int(force), "v": 1}' in calls["containers.py"]
