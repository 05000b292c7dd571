"""Arguments of a call in Python's source, as far as they say which variable it reads."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      |(?P<opening>[(\[{])|(?P<closing>[)\]}])|[^#"'()\[\]{}]+|.""",
    re.VERBOSE | re.DOTALL,
)
_LONGEST = 4000
"""Characters of a call that are read: a file may be no source of Python."""


def own_arguments(source: str, start: int) -> str:
    """The arguments of a call whose parenthesis opened before `start`.

    Comments and the arguments of inner calls are left out.
    """
    depth, kept = 0, []
    for token in _TOKEN.finditer(source, start, start + _LONGEST):
        depth += (token["opening"] is not None) - (token["closing"] is not None)
        if depth < 0:
            break
        if depth == 0 and token["comment"] is None:
            kept.append(token[0])
    return "".join(kept).strip()


def keyword_of(arguments: str, name: str) -> str | None:
    """The value of a keyword as it is written; None without it."""
    match = re.search(rf"(?:^|,)\s*{name}\s*=(?!=)\s*([^\s,]*)", arguments)
    return match[1] if match else None


def has_positional(arguments: str) -> bool:
    """Whether the first argument has no keyword."""
    return bool(arguments) and re.match(r"\w+\s*=(?!=)", arguments) is None
