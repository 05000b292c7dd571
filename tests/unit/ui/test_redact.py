"""Values of secrets are redacted in all forms in which they may be printed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from ftl.ui import redact
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
