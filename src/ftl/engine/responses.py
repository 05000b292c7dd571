"""Answers of an engine: their JSON, errors, and the version of its API."""

from __future__ import annotations

import re

from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.engine.transport import http
from ftl.engine.transport.reader import MalformedResponse

_QUOTED = 300
"""Bytes that are quoted of an answer that is not the engine's."""


def progress(line: bytes) -> object:
    """One object of an engine's progress; of an error the answer's status says nothing."""
    item = as_object(json_of(line))
    if "error" in item or "errorDetail" in item:
        message = as_str(as_object(item.get("errorDetail")).get("message")) or as_str(item.get("error"))
        raise http.HttpError(0, message or "unknown error")
    return item


def message(body: bytes) -> str:
    """The engine's message in the body of an error; of anything else the beginning."""
    try:
        return as_str(as_object(parse_json(body)).get("message"))
    except ValueError:
        return body[:_QUOTED].decode(errors="replace")


def json_of(body: bytes) -> object:
    """The JSON of an answer.

    Raises:
        BadAnswer: It is none.
    """
    try:
        return parse_json(body)
    except ValueError as error:
        raise MalformedResponse(str(error)) from error


def api_of(answer: http.Response) -> tuple[int, int]:
    """The engine's newest API version, which every answer of it names."""
    match = re.fullmatch(r"(\d+)\.(\d+)", answer.headers.get("api-version", ""))
    if match is None:
        raise MalformedResponse("no API version in the answer")
    return int(match[1]), int(match[2])
