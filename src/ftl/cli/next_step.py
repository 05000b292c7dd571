"""Next steps that FTL prints, with the environment and server of their call."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.cli.environments import PREVIEW_PREFIX

if TYPE_CHECKING:
    from ftl.cli.options import Options

_COMMAND = re.compile(r"`ftl (?=[a-z])(?!(?:completion|init|preview|sandbox|upgrade|version)\b)")
"""A command in a sentence, unless it has no project's server, or names its own."""


def with_target(text: str, options: Options) -> str:
    """Add the call's `-e`, `--server` and `--file` to the commands that a sentence names.

    `` `ftl deploy` `` after `ftl -e staging ...` would otherwise change the default environment. A preview has a
    command of its own for that.
    """
    env = options.env
    if env is not None and env.startswith(PREVIEW_PREFIX):
        text = re.sub(r"`ftl deploy\b", f"`ftl preview up {env.removeprefix(PREVIEW_PREFIX)}", text)
    target = [("-e", env), ("--server", options.server), ("--file", options.file)]
    given = "".join(f"{option} {shlex.quote(value)} " for option, value in target if value is not None)
    return _COMMAND.sub(lambda found: found[0] + given, text)
