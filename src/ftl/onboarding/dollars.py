"""Dollar signs of other tools' texts: in ftl.yaml `${NAME}` is a variable, `$$` one sign."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """A text whose dollar signs are for others: the shell in a container, or nobody."""
    return re.sub(r"\$(?=[${])", "$$", text)
