"""A reader of the documentation, who writes its files and types its commands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness import Outcome
from tests.support.pages import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.pages import Block, Command
    from tests.support.walks import Walk

LOOK = 5.0
"""Seconds after which a reader has seen enough of a command that goes on."""

_OURS = re.compile(r"ftl(?:\.\w+)?\.yaml")
_HERE = re.compile(r"the server cannot pull|building the image of|caddy:2: |\S+: +[\d.]+/[\d.]+ \w+, ")
"""Lines of a sending that takes long or that a registry would spare, and of the first sandbox of a machine."""

_NUMBER = re.compile(r"\d[\d.,:/]*(?: ?(?:ms|s|min|h|days?|k?B|MB|GB|layers?)\b)?(?:/s)?")


class Reader:
    """Somebody who follows a page in a folder.

    Args:
        walk: What they have, and what they leave out.
        folder: An empty folder.
        environment: Theirs; `ftl` is on its PATH.
    """

    def __init__(self, walk: Walk, folder: Path, environment: Mapping[str, str]) -> None:
        self._walk = walk
        self._folder = folder
        tools = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        self._environment = {**environment, "PATH": tools, "SHELL": "/bin/bash", "EDITOR": "true"}
        self._typed: Counter[str] = Counter()
        self._words = dict(walk.replaced)
        self.write(walk.files)
        for command in walk.before:
            self.run(command).ok()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, those with a `#!` executable."""
        for name, text in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)

    def learn(self, word: str, own: str) -> None:
        """What the reader has in place of a word of the page."""
        self._words[word] = own

    def follow(self, block: Block, check: Callable[[Command, Outcome], None]) -> None:
        """Write the block's file, or type its commands; each is checked when it has ended."""
        if block.file and (block.language != "yaml" or _OURS.fullmatch(block.file)):
            self.write({block.file: self.own(block.text)})
        elif self._walk.rest and block.language == "yaml" and not block.file:
            self.write({"ftl.yaml": self.own(block.text) + self._walk.rest})
        for command in commands(block):
            self._type(command, check)

    def _type(self, command: Command, check: Callable[[Command, Outcome], None]) -> None:
        self._typed[command.text] += 1
        again = self._typed[command.text]
        key = command.text if again == 1 else f"{command.text} ({again})"
        if self._walk.reason(key):
            return
        if key in self._walk.alternatives:
            (self._folder / "ftl.yaml").unlink()
        for edit in self._walk.edits.get(key, ()):
            before = (self._folder / edit.file).read_text() if edit.old else ""
            assert edit.old in before, edit
            self.write({edit.file: before.replace(edit.old, edit.new) if edit.old else edit.new})
        if command.text.startswith("cd "):
            self._folder /= command.text.removeprefix("cd ")
        elif command.text in self._walk.watched:
            self._watch(command)
        else:
            outcome = self.run(self.own(command.text))
            assert outcome.exit_code == self._walk.codes.get(key, 0), outcome
            check(command, outcome)

    def run(self, command: str) -> Outcome:
        """Type a command, and wait for its end."""
        done = subprocess.run(
            ("sh", "-c", command),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Outcome((command,), done.returncode, done.stdout, done.stderr)

    def _watch(self, command: Command) -> None:
        """Type a command that goes on, look at it, and press Ctrl-C."""
        text = self.own(command.text)
        with subprocess.Popen(
            ("sh", "-c", f"exec {text}" if text.startswith("ftl ") else text),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            time.sleep(LOOK)
            assert process.poll() is None, (command, process.communicate())
            os.killpg(process.pid, signal.SIGINT)
            output = process.communicate(timeout=60)
        assert process.returncode in (130, -signal.SIGINT), (command, output)

    def own(self, text: str) -> str:
        """A text of the page with the reader's own names."""
        for word, own in self._words.items():
            text = text.replace(word, own)
        return text


def has_the_same_header(command: Command, outcome: Outcome) -> None:
    """The first line that the page shows, if it is that of a table, is what the program prints."""
    if command.output and re.fullmatch(r"[A-Z /]+", command.output[0]):
        assert command.output[0].split() in [line.split() for line in outcome.stdout.splitlines()], outcome


def compare(shown: Sequence[str], outcome: Outcome) -> None:
    """Compare what a page shows with what was printed, as kinds of lines; `...` is any number of lines."""
    printed = [line for line in (outcome.stdout + outcome.stderr).splitlines() if line.strip()]
    kinds = {kind(line) for line in printed}
    rest = [line for line in shown if line.strip() != "..."]
    assert [line for line in rest if kind(line) not in kinds] == [], outcome
    if len(rest) == len(shown):
        known = {kind(line) for line in shown}
        assert [line for line in printed if kind(line) not in known and not _HERE.match(line)] == [], outcome


def kind(line: str) -> str:
    """A line without what differs between two runs: figures, durations, dates, options of ssh."""
    line = re.sub(r"\([^()]*\d[^()]*s\)|\[[^]]*\]", "", line)
    line = re.sub(r"(not in the cache: |ssh -i |: healthy).*", r"\1", line)
    line = re.sub(r"by \S+@\S+", "by somebody", line)
    line = re.sub(r"the (last \d+ log lines|only log line) of", "the log of", line)
    return " ".join(_NUMBER.sub("#", line).split())
