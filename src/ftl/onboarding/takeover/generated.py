"""Secrets of a takeover: a new .env with made-up ones, values in clear that belong there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.databases import DATABASES
from ftl.onboarding.env_secrets import add_secrets, recipe
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.onboarding.takeover.draft import Draft


_PASSWORD = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASS|PWD|SECRET|SECRET_KEY|SECRET_KEY_BASE|SIGNING_KEY|ENCRYPTION_KEY)$",
    re.IGNORECASE,
)
"""Names of values of which any will do."""

_OTHERS = """
    apple aws azure captcha cf client cloudflare discord docker email facebook firebase ftp gcp ghcr github gitlab
    google imap ldap mail mailgun microsoft oauth oauth2 oidc openai paypal postmark r2 recaptcha registry s3 saml
    sendgrid sentry ses slack smtp ssh stripe telegram turnstile twilio twitter vpn webhook
"""
_OF_OTHERS = re.compile(rf"(?:^|_)(?:{'|'.join(_OTHERS.split())})(?:_|$)", re.IGNORECASE)
"""Words of names whose values another service has, or knows."""

REQUIRED = frozenset(name for database in DATABASES for name in database.required)
_EMPTY = re.compile(r"\$\{(\w+):?-\}")
_KINDS = {"APP_KEY": "@laravel@"}
_KEPT = "data that exists already has its own: then write that"


def is_own_password(name: str) -> bool:
    """Whether a variable is a password or key of which only this project knows the value."""
    return _PASSWORD.search(name) is not None and _OF_OTHERS.search(name) is None


def make_up(draft: Draft, folder: Path, variables: Mapping[str, str]) -> None:
    """Put values that nothing has into a new .env; with an existing one it is a thing to do."""
    names = {name for name in draft.demanded if is_own_password(name)}
    names |= {name for keys in draft.dependencies.values() for name in _empty(keys.get("env"))}
    known = {**draft.copied, **variables}
    secrets = {
        name: _KINDS.get(name, "@hex32@") for name in sorted(names | draft.made_up) if not known.get(name)
    }
    if not secrets and not draft.copied:
        return
    todo: list[str] = []
    add_secrets(folder, draft.copied | secrets, draft.files, todo)
    is_new = ".env" in draft.files
    for name, kind in secrets.items():
        how = f"a made-up value in .env, which only you can read; {_KEPT}"
        if not is_new:
            how = f"`echo {name}={recipe(kind)} >> .env` makes a value up; {_KEPT}"
        draft.report.add(f"${{{name}}}", Verdict.CHANGED if is_new else Verdict.NEEDS_YOU, how)
    for text in todo:
        if ".gitignore" in text:
            draft.report.todo(".gitignore", text)


def _empty(env: object) -> list[str]:
    """Variables of a database's passwords that are empty: it does not start with them."""
    if not isinstance(env, dict):
        return []
    matches = [_EMPTY.fullmatch(str(value)) for name, value in env.items() if name in REQUIRED]
    return [match[1] for match in matches if match]


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
