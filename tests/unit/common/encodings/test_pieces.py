"""Values in base64 and hexadecimal are masked however an encoder breaks them into lines."""

from __future__ import annotations

import base64
import binascii
import json
import random
import textwrap
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ftl.common import redact
from ftl.common.encodings.pieces import BASE64_PIECE, HEX_PIECE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = b"correct horse battery staple: 0123456789 and all the rest? of it~~~\xc3\xbf"


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    redact.redact([SECRET.decode()])
    yield
    redact.forget()


def shown(text: str) -> str:
    """A text as it is written: line by line."""
    return "\n".join(map(redact.redacted, text.split("\n")))


def parts(encoded: str, size: int) -> set[str]:
    """All pieces of this size."""
    return {encoded[at : at + size] for at in range(len(encoded) - size + 1)}


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", [b"", b"u:", b"me:", b"user:", b"x" * 50, b"x" * 55])
@pytest.mark.parametrize("after", [b"", b"\n", b"y" * 40])
def test_base64_that_is_broken_into_lines_has_no_piece_of_it(
    width: int, encode: Callable[[bytes], bytes], before: bytes, after: bytes
) -> None:
    """As `base64`, encodebytes and PEM break it; wherever the value begins and ends."""
    whole = encode(before + SECRET + after).decode()
    first, last = len(before) * 8 // 6 + 1, (len(before) + len(SECRET)) * 8 // 6
    lines = "\n".join(whole[at : at + width] for at in range(0, len(whole), width))
    assert not {part for part in parts(whole[first:last], BASE64_PIECE) if part in shown(lines)}
    assert redact.MASK in shown(lines)


@pytest.mark.parametrize(
    "write",
    [
        lambda lines: textwrap.indent(lines, "    "),
        lambda lines: textwrap.indent(lines, "2026-01-02T03:04:05Z INFO key="),
        lambda lines: json.dumps({"key": lines}),
        lambda lines: json.dumps(json.dumps({"key": lines})),
        lambda lines: lines.replace("\n", "\r\n"),
        lambda lines: repr(lines.replace("\n", "\r\n").encode()),
        lambda lines: quote(lines, safe=""),
        lambda lines: quote(quote(lines, safe=""), safe=""),
    ],
    ids=["indented", "logged", "json", "json twice", "crlf", "repr", "url", "url twice"],
)
def test_the_lines_may_stand_in_another_text(write: Callable[[str], str]) -> None:
    """YAML indents them, loggers put words before them, JSON makes them one."""
    lines = base64.encodebytes(SECRET).decode()
    text = shown(write(lines))
    assert not {part for part in parts(lines.replace("\n", "")[:-4], BASE64_PIECE) if part in text}


@pytest.mark.parametrize("value", ["abcd", "hello", "s3cr3t", "hunter2", "pässwörd"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_short_value_is_masked_in_base64_and_hexadecimal_as_it_is_in_plain(value: str, end: str) -> None:
    """From four characters on, as with a user's name before it in a header."""
    redact.redact([value])
    content = (value + end).encode()
    for before in (b"", b"u:", b"me:", b"you:"):
        for encoded in (base64.b64encode(before + content), binascii.hexlify(before + content)):
            assert redact.MASK in redact.redacted(f"x {encoded.decode()} y")


def _xxd(value: bytes) -> str:
    """As `xxd` prints it, without the column of text."""
    lines = [value[at : at + 16] for at in range(0, len(value), 16)]
    return "\n".join(f"{16 * n:08x}: {line.hex(' ', 2)}  " for n, line in enumerate(lines))


def _od(value: bytes) -> str:
    """As `od -t x1` prints it."""
    lines = [value[at : at + 16] for at in range(0, len(value), 16)]
    return "\n".join(f"{16 * n:07o} {line.hex(' ')}" for n, line in enumerate(lines))


def _hexdump(value: bytes) -> str:
    """As `hexdump -C` prints it, without the column of text."""
    lines = [value[at : at + 16] for at in range(0, len(value), 16)]
    return "\n".join(
        f"{16 * n:08x}  {line[:8].hex(' ')}  {line[8:].hex(' ')}" for n, line in enumerate(lines)
    )


@pytest.mark.parametrize(
    "write",
    [
        bytes.hex,
        lambda value: value.hex().upper(),
        lambda value: value.hex(":"),
        lambda value: "\n".join(textwrap.wrap(value.hex(), 60)),
        lambda value: "".join(f"\\x{byte:02x}" for byte in value),
        lambda value: ", ".join(f"0x{byte:02x}" for byte in value),
        _xxd,
        _od,
        _hexdump,
    ],
    ids=["plain", "upper", "colons", "xxd -p", "escapes", "xxd -i", "xxd", "od", "hexdump -C"],
)
@pytest.mark.parametrize("before", [b"", b"user:"])
def test_hexadecimal_has_no_piece_of_it(write: Callable[[bytes], str], before: bytes) -> None:
    """In lines, in groups and with escapes, as the usual programs write it."""
    text = "".join(
        character for character in shown(write(before + SECRET)).lower() if character not in " :x\\,"
    )
    assert redact.MASK in text
    assert not {part for part in parts(SECRET.hex(), HEX_PIECE) if part in text}


@pytest.mark.parametrize(
    "text",
    [
        "GET /static/correct-horse/battery_staple.js 200 0123456789 12ms",
        "sha256:" + "0123456789abcdef" * 4,
        "1733000000.123 started",
        "550e8400-e29b-41d4-a716-446655440000 2026-11-30 20:15:59",
        base64.b64encode(b"correct answer").decode(),
        base64.b64encode(b"what is the rest").decode(),
        base64.b64encode(b"cor").decode(),
    ],
)
def test_what_only_begins_or_ends_like_the_value_stays(text: str) -> None:
    """In base64, many texts begin alike: as all do that are a URL or JSON."""
    assert redact.redacted(text) == text


def test_where_all_values_are_too_short_nothing_is_looked_for() -> None:
    """A line of digits is not taken for a piece of one."""
    redact.forget()
    redact.redact(["1", "abc"])
    assert redact.redacted("0123456789abcdef YWJj") == "0123456789abcdef YWJj"


def test_a_large_value_is_known_at_once() -> None:
    """A bundle of certificates, or a file of another kind."""
    large = base64.b64encode(bytes(range(256)) * 60).decode()
    redact.redact([large])
    lines = base64.encodebytes(large.encode()).decode().strip().split("\n")
    assert {redact.redacted(line) for line in lines[:-1]} == {redact.MASK}


def test_a_table_of_numbers_is_not_taken_for_a_short_value() -> None:
    """Two digits each are the bytes of `1234`; a value of eight bytes is found so."""
    redact.forget()
    redact.redact(["1234", "2345678"])
    for table in (
        "31 32 33 34 35 36 37 38",
        "30:31:32:33:34",
        "3132 3334 3536 3738",
        "11 31, 0x32, 0x33, 0x34",
    ):
        assert redact.redacted(table) == table
    assert redact.redacted(f"pin {b'1234'.hex()}") == f"pin {redact.MASK}"
    redact.redact(["s3cr3t-8"])
    assert redact.redacted(b"s3cr3t-8".hex(" ")) == redact.MASK


def test_pieces_in_a_dump_are_one_mask_with_what_is_between_them() -> None:
    """Also where two values follow each other; what is before and behind them stays."""
    redact.forget()
    redact.redact(["first-one", "2nd-value"])
    dump = b"ab" + b"first-one" + b"2nd-value" + b"yz"
    assert redact.redacted(dump.hex(" ")) == f"61 62 {redact.MASK} 79 7a"


def test_a_large_value_in_hexadecimal_is_masked_in_linear_time() -> None:
    """60 kB as `xxd -p` prints them took two seconds; a search in all of the value for each line would again."""
    large = base64.b64encode(random.Random(1).randbytes(45_000)).decode()
    redact.redact([large])
    redact.redacted("")
    lines = textwrap.wrap(large.encode().hex(), 60)
    began = time.process_time()
    assert {redact.redacted(line) for line in lines} == {redact.MASK}
    assert time.process_time() - began < 0.8
