"""Passwords and keys that another tool's file has in clear, and ftl.yaml then, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.onboarding.takeover.draft import Draft

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASS|PWD|SECRET|TOKEN|APIKEY|API_KEY|PRIVATE_KEY|SECRET_KEY|ACCESS_KEY|ENCRYPTION_KEY"
    r"|SECRET_KEY_BASE|CREDENTIALS)$",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@$]+@")
_NO_SECRET = re.compile(r"(?:true|false|yes|no|on|off|none|null|\d{1,3}|/\S*)?", re.IGNORECASE)


def report_clear_values(draft: Draft) -> None:
    """Tell of each service which of its values in clear belong in .env: ftl.yaml is kept in git."""
    for name, keys in (*draft.services.items(), *draft.dependencies.items()):
        env = keys.get("env")
        clear = (
            [key for key, value in env.items() if is_clear(key, str(value))] if isinstance(env, dict) else []
        )
        if clear:
            how = f"write `{clear[0]}: ${{{clear[0]}}}`, and the value into .env"
            todo = f"{', '.join(clear)} in clear, in a file that is kept in git: {how}"
            draft.report.todo(f"{name}: env", todo)
            draft.note(name, f"env: {todo}")


def is_clear(name: str, value: str) -> bool:
    """Whether a variable is a password or a key, or has one in a URL, in clear."""
    if "${" in value.replace("$${", ""):
        return False
    named = _SECRET_NAME.search(name) is not None and _NO_SECRET.fullmatch(value) is None
    return named or _IN_URL.search(value) is not None
