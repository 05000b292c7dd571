"""Parsers of container settings, in the notations of Compose and `docker run`."""

from __future__ import annotations

import re

from ftl.config.values.scalars import InvalidValue, matching, text
from ftl.dataclass import dataclass

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = r"(?i)([0-9]+(?:\.[0-9]+)?) ?([bkmgt]?)i?b?"
_SIGNAL = r"(?:SIG)?[A-Z][A-Z0-9+-]*|[0-9]{1,2}"
_CAPABILITY = r"(?:CAP_)?[A-Z_]+"
_HOST = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_DEVICE = r"(/[^:]+)(?::(/[^:]+))?(?::([rwm]{1,3}))?"
_RESTART = r"no|always|unless-stopped|on-failure(?::[0-9]{1,4})?"


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the server, its path in the container, and the permissions there."""

    source: str
    target: str
    permissions: str = "rwm"


def size(value: str) -> int:
    """Bytes, from `512m`, `1.5g` or a bare number; units are powers of 1024, as in Docker."""
    match = re.fullmatch(_SIZE, value.strip())
    if match is None:
        raise InvalidValue("is not a size", "write it like 512m or 2g")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def memory(value: str) -> int:
    """A limit of memory; the engine refuses less than 6 MB."""
    number = size(value)
    if number < 6 << 20:
        raise InvalidValue("is less than 6m, the least that an engine accepts")
    return number


def cpus(value: str) -> float:
    """A number of CPUs, also a part of one."""
    if not re.fullmatch(r"[0-9]{0,4}\.?[0-9]+", value) or float(value) == 0:
        raise InvalidValue("is not a number of CPUs", "write it like 2 or 0.5")
    return float(value)


def signal(value: str) -> str:
    """The name or number of a signal."""
    if re.fullmatch(_SIGNAL, value.upper()) is None:
        raise InvalidValue("is not a signal", "write it like SIGTERM or SIGQUIT")
    return value.upper()


def capability(value: str) -> str:
    """A Linux capability, or ALL."""
    if re.fullmatch(_CAPABILITY, value.upper()) is None:
        raise InvalidValue("is not a capability", "write it like NET_ADMIN")
    return value.upper()


def extra_host(value: str) -> str:
    """`NAME:ADDRESS` or `NAME=ADDRESS`; `host-gateway` is the server."""
    name, separator, address = re.sub(r"^([^:=]+)=", r"\1:", value).partition(":")
    bare = address.strip("[]")
    if not separator or re.fullmatch(_HOST, name) is None or not _is_address(bare):
        raise InvalidValue("is not a host with its address", "write it like db.example.com:203.0.113.7")
    return f"{name}:{bare}"


def _is_address(value: str) -> bool:
    import ipaddress

    if value == "host-gateway":
        return True
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def restart(value: str) -> str:
    """Docker's restart policy."""
    policy = {"true": "always", "false": "no"}.get(value, value)
    if re.fullmatch(_RESTART, policy) is None:
        raise InvalidValue("is not a restart policy", "write no, always, unless-stopped or on-failure:3")
    return policy


tmpfs = matching(
    r"(/[^:]*)(?::([A-Za-z0-9_=,.%-]+))?",
    "is not a path in the container",
    "write it like /run or /run:size=64m",
)
"""A path in the container for a file system in memory, also with options: `/run:size=64m`."""


def parse_tmpfs(value: str) -> tuple[str, str]:
    """Path and options of a tmpfs."""
    path, _, options = value.partition(":")
    return path, options


def parse_device(value: str) -> Device:
    """Parse `/dev/x`, `/dev/x:/dev/y` or `/dev/x:/dev/y:rw`.

    Raises:
        InvalidValue: The text has another form.
    """
    match = re.fullmatch(_DEVICE, value)
    if match is None:
        raise InvalidValue("is not a device", "write it like /dev/ttyUSB0 or /dev/sda:/dev/xvda:r")
    return Device(match[1], match[2] or match[1], match[3] or "rwm")


def mode(value: str) -> str:
    """Permissions of a file in octal digits."""
    if not re.fullmatch(r"0?[0-7]{3}", value):
        raise InvalidValue("are not permissions", "write them like 0400 or 0644")
    return value.zfill(4)


def owner(value: str) -> str:
    """Numbers of a user and a group: the engine does not know the names of an image."""
    if not re.fullmatch(r"[0-9]{1,9}(?::[0-9]{1,9})?", value):
        raise InvalidValue("is not the number of a user", "write it like 1000 or 1000:1000")
    return value if ":" in value else f"{value}:{value}"


def absolute_path(value: str) -> str:
    """An absolute path in the container."""
    if not text(value).startswith("/"):
        raise InvalidValue("is not an absolute path in the container", f"write /{value.removeprefix('./')}")
    return value
