"""Pages of the documentation as a reader follows them: commands to type, and files to write."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SHELLS = ("sh", "bash", "console")
"""Languages of fences that hold commands, whatever these are."""

PROGRAMS = ("ftl", "age", "cd", "curl", "echo", "git", "make", "ssh", "tail", "uv", "while")
"""What a command in a block without a language begins with."""

_FENCE = re.compile(r"^( *)```(\w*)$")
_INDENT = " " * 4
_NAMED = re.compile(r"`([\w./-]+\.?[\w-]+)`,[^`]*:$")
_COMMENT = re.compile(r"^# ([\w./-]*\.[\w-]+)\n")
_COMMAND = re.compile(rf"^(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)})\b(?![.:])")
_FTL = re.compile(r"(?:^|\| |\bthen |; )(?:[A-Z_]+=\S+ )*(ftl .*)$")
_SPAN = re.compile(r"(?<!`)`(?:[A-Z_]+=\S+ )*(ftl [^`\n]*)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        line: Number of its first line on the page.
        language: That of its fence; empty without one.
        text: Its lines, without their common indentation.
        before: The line of the page above it that is not empty.
    """

    line: int
    language: str
    text: str
    before: str

    @property
    def file(self) -> str:
        """The file that the reader writes it into: named by its first line, or by the sentence before; or empty."""
        comment = _COMMENT.match(self.text)
        if comment is not None:
            return comment[1]
        named = _NAMED.search(self.before) if self.language and not self.is_shell else None
        return named[1] if named else ""

    @property
    def is_shell(self) -> bool:
        """Whether the reader types it."""
        first = self.text.partition("\n")[0]
        bare = self.language == "" and (first.startswith("$ ") or _COMMAND.match(first) is not None)
        return self.language in SHELLS or bare


@dataclass(frozen=True, slots=True)
class Command:
    """A line that the reader types.

    Attributes:
        line: Its number on the page.
        text: The line, without its comment.
        output: What the page shows below it.
    """

    line: int
    text: str
    output: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The arguments of its call of `ftl`, without what the shell does with them; empty if there is none."""
        call = _FTL.search(self.text)
        return [] if call is None else arguments(call[1])


def blocks(text: str) -> list[Block]:
    """All blocks of code of a page, fenced and indented."""
    return list(_blocks(text.splitlines()))


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    before, number = "", 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        start = number + 1 if fence else number
        if fence:
            end = next(i for i in range(start, len(lines)) if lines[i].strip() == "```")
            yield _block(start, fence[2], lines[start:end], len(fence[1]), before)
            number = end + 1
            continue
        if lines[number].startswith(_INDENT) and (number == 0 or not lines[number - 1].strip()):
            end = number
            while end < len(lines) and (lines[end].startswith(_INDENT) or not lines[end].strip()):
                end += 1
            yield _block(start, "", lines[start:end], len(_INDENT), before)
            number = end
            continue
        before = lines[number] if lines[number].strip() else before
        number += 1


def _block(start: int, language: str, lines: Sequence[str], indent: int, before: str) -> Block:
    text = "\n".join(line[indent:] for line in lines).rstrip("\n")
    return Block(start + 1, language, f"{text}\n", before)


def commands(block: Block) -> list[Command]:
    """The commands of a block; with a prompt before some, the other lines are what these print."""
    if not block.is_shell:
        return []
    lines = list(enumerate(block.text.splitlines(), block.line))
    if not any(line.startswith("$ ") for _, line in lines):
        return [Command(number, _without_comment(line)) for number, line in lines if line.strip()]
    found: list[Command] = []
    for number, line in lines:
        if line.startswith("$ "):
            found.append(Command(number, _without_comment(line[2:])))
        elif found and line.strip():
            last = found[-1]
            found[-1] = Command(last.line, last.text, (*last.output, line))
    return found


def page_commands(page: Path) -> list[Command]:
    """All commands of a page, in its order."""
    return [command for block in blocks(page.read_text()) for command in commands(block)]


def mentioned(text: str) -> list[str]:
    """The calls of `ftl` between backticks in the prose of a page."""
    code = {
        number for block in blocks(text) for number in range(block.line, block.line + block.text.count("\n"))
    }
    prose = (line for number, line in enumerate(text.splitlines(), 1) if number not in code)
    return [span for line in prose for span in _SPAN.findall(line)]


def _without_comment(line: str) -> str:
    """A line without the comment that explains it; a `#` inside quotes is none."""
    return re.sub(r"""^((?:[^'"#]|'[^']*'|"[^"]*"|(?<=\S)#)*?)\s+# .*$""", r"\1", line).rstrip()


def arguments(call: str) -> list[str]:
    """The words of a call after `ftl`, up to a redirection or the next command of the shell."""
    reader = shlex.shlex(call, posix=True, punctuation_chars="<>|;&")
    reader.whitespace_split = True
    words = list(reader)
    ends = (number for number, word in enumerate(words) if set(word) <= set("<>|;&"))
    end = next(ends, len(words))
    return words[1:end]
