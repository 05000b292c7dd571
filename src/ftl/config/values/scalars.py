"""Parsers of single values: a function, text -> value, for each scalar type of ftl.yaml.

All of them raise InvalidValue with the second half of a sentence. The reader knows the first half (the key and the
text), so that no value that comes from a variable is ever quoted in a message.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 366 * 24 * 3600.0
_MAX_DIGITS = 18

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_DURATION_PART = rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)"
# The intersection of FTL's documented names ([a-z0-9][a-z0-9_-]*), Docker's path components and DNS labels.
_NAME = r"[a-z0-9]+(?:(?:_|__|-+)[a-z0-9]+)*"
# Docker's reference grammar: [domain[:port]/]path[:tag][@digest] (distribution/reference).
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"
_IMAGE = (
    rf"(?:{HOST}(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_PLATFORM = r"linux/[a-z0-9_]+(?:/v[0-9]+)?"
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
LIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice",
    "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
)  # fmt: skip
"""Names of ulimits that Docker accepts (setrlimit(2))."""


class InvalidValue(ValueError):
    """A text is not a value of the type; `message` continues "key: TEXT ..."."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def matching(pattern: str, message: str, hint: str | None = None) -> Callable[[str], str]:
    """A parser of the texts that match a regular expression as a whole."""

    def parse(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise InvalidValue(message, hint)
        return value

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """A parser of some words."""
    return matching("|".join(map(re.escape, words)), f"is not one of {', '.join(words)}")


def checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    """A parser that keeps a text which another one can parse."""

    def keep(value: str) -> str:
        parse(value)
        return value

    return keep


def text(value: str) -> str:
    """Any text that is not blank."""
    if not value.strip():
        raise InvalidValue("is empty")
    return value


def local_path(value: str) -> str:
    """A path on this machine; `~` and `~USER` become the home folder here, and nowhere else."""
    return os.path.expanduser(text(value))  # noqa: PTH111 -- pathlib's raises for an unknown user


def boolean(value: str) -> bool:
    """YAML 1.1's words, as Compose reads them."""
    try:
        return _BOOLEANS[value.lower()]
    except KeyError:
        raise InvalidValue("is neither true nor false") from None


def integer(value: str, *, minimum: int, maximum: int | None = None, noun: str = "a whole number") -> int:
    """A decimal number; leading zeros do not make it octal: `0080` is 80."""
    if re.fullmatch(r"-?[0-9]+", value) and len(value) <= _MAX_DIGITS:
        number = int(value)
        if minimum <= number and (maximum is None or number <= maximum):
            return number
    limits = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
    raise InvalidValue(f"is not {noun} {limits}")


def port(value: str) -> int:
    """A TCP or UDP port."""
    return integer(value, minimum=1, maximum=65535, noun="a port number")


def count(value: str) -> int:
    """A count: 1 or more."""
    return integer(value, minimum=1, maximum=10_000)


def limit(value: str) -> int:
    """A ulimit's value; -1 is no limit."""
    return integer(value, minimum=-1)


def duration(value: str) -> float:
    """Seconds, from `500ms`, `10s`, `1m30s`, `1h`, `1.5h` or a bare number of seconds."""
    if re.fullmatch(_NUMBER, value):
        seconds = float(value)
    else:
        parts = re.findall(_DURATION_PART, value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            raise InvalidValue("is not a duration", "write it like 500ms, 10s, 1m30s or 1h")
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise InvalidValue("is longer than a year")
    return seconds


def interval(value: str) -> float:
    """A duration longer than 0."""
    seconds = duration(value)
    if seconds == 0:
        raise InvalidValue("must be longer than 0")
    return seconds


def name(value: str) -> str:
    """The name of a project, service or dependency, which images and DNS names contain."""
    if len(value) > 63 or not re.fullmatch(_NAME, value):
        fixed = re.sub(r"[-_]*-[-_]*|_{3,}", "-", re.sub(r"[^a-z0-9_-]+", "-", value.lower())).strip("-_")[
            :63
        ]
        raise InvalidValue(
            "is not a name (a-z, 0-9, and - or _ between them; at most 63 characters)",
            f"`{fixed}` would be one" if re.fullmatch(_NAME, fixed) else None,
        )
    return value


def image(value: str) -> str:
    """An image reference."""
    short = len(value) <= 512
    if short and re.fullmatch(_IMAGE, value):
        return value
    lower = value.lower()
    hint = f"image names are in lower case: {lower}" if short and re.fullmatch(_IMAGE, lower) else None
    raise InvalidValue(
        "is not an image reference", hint or "write it like redis:7 or registry.example.com/shop/web:1.2"
    )


def platform(value: str) -> str:
    """OS/ARCH[/VARIANT] in the builder's notation."""
    if re.fullmatch(_PLATFORM, value):
        return value
    hint = (
        f"write linux/{value}"
        if re.fullmatch(_PLATFORM, f"linux/{value}")
        else "write it like linux/amd64 or linux/arm64"
    )
    raise InvalidValue("is not a platform", hint)


def build_cache(value: str) -> str:
    """`gha`, a folder (a path that begins with `.`, `/` or `~`), or a repository of a registry."""
    if value == "gha" or value.startswith((".", "/", "~")):
        return value
    if re.fullmatch(r"type=.*", value):
        raise InvalidValue("is not a build cache", "write the folder or repository alone, or gha")
    repository = image(value)
    if repository.partition("@")[0].rpartition("/")[2].partition(":")[1] or "@" in repository:
        raise InvalidValue("has a tag", "write the repository alone: each service has its own tag there")
    return repository


variable_name = matching(r"[A-Za-z_][A-Za-z0-9_]*", "is not the name of a variable", "letters, digits and _")
"""The name of a variable, as `${...}` has it."""


volume_name = matching(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", "is not a volume name (letters, digits, and _ . - after the first)"
)
"""The name of a Docker volume, by Docker's rule."""


def shell_words(value: str) -> str:
    """A command line that can be split into words as a shell splits it."""
    text(value)
    if any(char in value for char in "\"'\\"):
        import shlex

        try:
            shlex.split(value)
        except ValueError as error:
            raise InvalidValue(
                f"cannot be split into words: {str(error)[0].lower()}{str(error)[1:]}"
            ) from None
    return value


def schedule(value: str) -> str:
    """Five fields of cron, with single spaces between them."""
    from ftl.config.values.schedule import InvalidSchedule, Schedule

    try:
        Schedule.parse(value)
    except InvalidSchedule as error:
        hint = "minute, hour, day of month, month, day of week: `15 3 * * *` is each day at 03:15"
        raise InvalidValue(str(error), hint) from None
    return " ".join(value.split())


def timezone(value: str) -> str:
    """A time zone's name in the IANA database."""
    import zoneinfo

    try:
        if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", value):
            zoneinfo.ZoneInfo(value)
            return value
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
        pass
    raise InvalidValue("is not a time zone", "write a name like Europe/Berlin, or leave it out for UTC")
