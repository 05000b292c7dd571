"""Secrets of a new app: a private .env with made-up values that git ignores."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def add_secrets(path: Path, secrets: Mapping[str, str], files: dict[str, str], todo: list[str]) -> None:
    """Put secrets into a new .env that git ignores; name those that an .env lacks."""
    try:
        existing = read_small_text(path / ".env")
    except FileNotFoundError:
        existing = None
    except OSError as error:
        raise UsageError(".env cannot be read", cause=error.strerror) from error
    if existing is None:
        files[".env"] = "# Values for ${...} in ftl.yaml. Not for git, not for the image.\n" + "".join(
            f"{name}={_value(value)}\n" for name, value in secrets.items()
        )
    else:
        missing = [
            name
            for name in secrets
            if not re.search(rf"^[ \t]*(?:export\s+)?{name}=", existing, re.MULTILINE)
        ]
        unset = [name for name in missing if name not in os.environ]
        todo += [f"add {name} to .env: `echo {name}={recipe(secrets[name])} >> .env`" for name in unset]
    try:
        ignored = read_small_text(path / ".gitignore").split()
    except OSError:
        if not (path / ".gitignore").exists():
            files[".gitignore"] = ".env\n*-20??????-??????.*\n"
        return
    if not {".env", "/.env", ".env*", "/.env*", "*.env", "**/.env"} & set(ignored):
        todo.append("add .env to .gitignore: it has passwords")


def values_in(folder: Path, name: str = ".env") -> dict[str, str]:
    """Names and values in an env file; none if there is none."""
    try:
        written = read_small_text(folder / name)
    except OSError:
        return {}
    found = re.findall(
        r"^[ \t]*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)", written, re.MULTILINE
    )
    return {key: value for key, value in found if value.strip("\"' ")}


def _value(kind: str) -> str:
    import base64
    import secrets as random  # 9 ms, for apps that need none too

    match kind:
        case "@hex32@":
            return random.token_hex(16)
        case "@hex64@":
            return random.token_hex(32)
        case "@laravel@":
            return "base64:" + base64.b64encode(random.token_bytes(32)).decode()
    return kind


def recipe(kind: str) -> str:
    """A value of this kind as a shell makes it up."""
    match kind:
        case "@laravel@":
            return "base64:$(openssl rand -base64 32)"
        case "@hex32@" | "@hex64@":
            return f"$(openssl rand -hex {16 if kind == '@hex32@' else 32})"
    return "..."
