"""The scan for secrets in processes finds what it is there for."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import urllib.parse

import pytest

from tests.faults.secret_scan import SecretScan, needles, planted

VALUE = planted()


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        shlex.quote(VALUE),
        json.dumps(VALUE),
        urllib.parse.quote(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(f"user:{VALUE}".encode()).decode(),
        base64.urlsafe_b64encode(json.dumps({"username": "user", "password": VALUE}).encode()).decode(),
        base64.b64encode(b'{"auth": "' + base64.b64encode(f"user:{VALUE}".encode()) + b'"}').decode(),
    ],
    ids=[
        "plain",
        "shell",
        "JSON",
        "URL",
        "base64",
        "base64 behind a name",
        "X-Registry-Auth",
        "a docker configuration in base64",
    ],
)
def test_every_form_of_a_secret_is_recognised(text: str) -> None:
    """As it is, quoted for a shell, JSON or a URL, and in base64 behind a name."""
    assert any(needle in text.encode() for needle in needles(VALUE))


def test_a_secret_in_arguments_is_found_and_one_in_the_users_environment_is_not() -> None:
    """Arguments are everybody's to read."""
    other = planted()
    shown = ["sh", "-c", "sleep 5; : $1", "sh", VALUE]
    with subprocess.Popen(shown, env={"TOKEN": other}) as process:
        try:
            hidden, seen = SecretScan(other), SecretScan(VALUE)
            for _ in range(3):
                hidden.look()
                seen.look()
        finally:
            process.kill()
    assert hidden.found == set()
    assert seen.found == {"arguments of sh"}
