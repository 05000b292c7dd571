"""Values of secrets are redacted in all forms in which they may be printed."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from ftl.common import redact
from ftl.ui.sanitize import escaped, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = 'p"ä ss/w+rd&%$'


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    redact.redact([SECRET, "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n", "1"])
    yield
    redact.forget()


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        "MIIEvQIBADANBg",
    ],
)
def test_every_form_is_masked_in_every_text(form: str) -> None:
    """Lines of programs and texts of ours both pass here."""
    for show in (escaped, printable):
        assert form not in show(f"before {form} after")
        assert "before ******** after" in show(f"before {form} after").replace("=", "")


HARD = """p<q>'r"s&t/u!v(w)x*y$z+a,b;c=d:e@f\\g%h~i j"""
EXCEPT = "-_.!~*'()"


@pytest.mark.parametrize(
    "form",
    [
        quote(HARD, safe=EXCEPT),
        quote(HARD, safe="$&+,;=-_.~"),
        re.sub("%..", lambda found: found[0].lower(), quote(HARD, safe="")),
        json.dumps(HARD)[1:-1].replace("<", r"\u003c").replace(">", r"\u003E").replace("&", r"\u0026"),
        json.dumps(HARD)[1:-1].replace("/", r"\/"),
        json.dumps(json.dumps(HARD))[3:-3],
        quote(quote(HARD, safe=""), safe=""),
        quote(quote(quote_plus(HARD))),
        html.escape(HARD),
        html.escape(HARD).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        shlex.quote(HARD)[1:-1],
        HARD.replace("'", "'\\''"),
        re.sub(r"(\W)", r"\\\1", HARD),
        base64.b64encode(b"\xff\xff" + HARD.encode() * 2).decode().replace("/", r"\/"),
    ],
    ids=[
        "javascript",
        "userinfo",
        "lower",
        "go",
        "php",
        "twice",
        "url-twice",
        "url-thrice",
        "html",
        "php-html",
        "shlex",
        "shell",
        "bash",
        "b64",
    ],
)
def test_a_value_is_masked_however_a_program_escapes_it(form: str) -> None:
    """Libraries differ in the characters that they escape, and in the case of the digits."""
    redact.redact([HARD, HARD * 2])
    shown = redact.redacted(f"<a>{form}</a>")
    assert redact.MASK in shown
    assert len(shown) < 40


def test_what_is_not_the_value_stays() -> None:
    """A pattern that is too wide would mask other words."""
    redact.redact(["ab/cd.ef"])
    for text in ("ab/cdxef", "ab\\cd.ef", "ab%2Gcd.ef", "abcd.ef", "ab//cd.ef", "ab%30cd.ef"):
        assert redact.redacted(text) == text
    assert redact.redacted(r"ab\/cd.ef ab%2fcd.ef") == f"{redact.MASK} {redact.MASK}"


@pytest.mark.parametrize("before", ["", "u:", "me:", "you:"])
def test_base64_of_a_longer_text_has_no_part_of_it(before: str) -> None:
    """An `Authorization: Basic` header has the password behind the user's name."""
    header = base64.b64encode(f"{before}{SECRET}".encode()).decode()
    assert redact.MASK in escaped(header)


def test_a_secret_that_is_a_word_of_json_leaves_the_json_whole() -> None:
    """Texts are redacted; names of fields, numbers and literals are not, else no program could read the line."""
    redact.redact(["true", "type", "1234", "null"])
    record = {
        "type": "note",
        "ok": True,
        "size": 12345,
        "why": None,
        "texts": ["is true", Path("/1234")],
        "x": SECRET,
    }
    line = redact.redacted_json(record)
    assert json.loads(line) == {
        "type": "note",
        "ok": True,
        "size": 12345,
        "why": None,
        "texts": ["is ********", "/********"],
        "x": "********",
    }


def test_short_values_are_left() -> None:
    """A secret of one character would mask every text."""
    assert escaped("r1 of 10") == "r1 of 10"


COMMIT = "8c4cf1f0a6bb5c1bd0ad1b1a0f6bd2d4a4d6e9aa"


def test_the_commit_of_a_release_is_no_secret() -> None:
    """Nor is what git prints for short; other values are masked as before, shorter beginnings too."""
    redact.redact([COMMIT, COMMIT[:7], "deadbeef"])
    text = f"r1 {COMMIT} {COMMIT[:7]} deadbeef"
    assert redact.redacted(text).count(redact.MASK) == 3
    redact.keep_commits([None, f"{COMMIT}-dirty"])
    assert redact.redacted(text) == f"r1 {COMMIT} {COMMIT[:7]} {redact.MASK}"
    redact.redact([COMMIT[:6]])
    assert COMMIT[:6] not in redact.redacted(text)
    redact.forget()
    redact.redact([COMMIT])
    assert redact.redacted(COMMIT) == redact.MASK
