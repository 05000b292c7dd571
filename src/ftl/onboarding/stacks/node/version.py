"""The version of Node for an app, by the files that name one and the ranges of `engines`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

DEFAULT_VERSION = "24"

_LONG_SUPPORTED = tuple(range(24, 2, -2))
_MAJORS = (
    *_LONG_SUPPORTED,
    *range(25, 40),
    *range(23, 3, -2),
)
"""Versions in the order in which one is taken that a range allows."""

_NAMES = {"krypton": "24", "jod": "22", "iron": "20", "hydrogen": "18"}
_PART = re.compile(r"(>=|<=|>|<|\^|~|=)?\s*v?(\d+)(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?")


def node_version(folder: AppFolder) -> tuple[str, str]:
    """The version of Node, and the file that names it."""
    for file, pattern in (
        (".nvmrc", r"v?(\d+)"),
        (".node-version", r"v?(\d+)"),
        (".tool-versions", r"(?m:^node(?:js)?\s+(\d+))"),
    ):
        text = folder.read(file).strip()
        if match := re.search(pattern, text) if file == ".tool-versions" else re.match(pattern, text):
            return match[1], file
        if (name := re.fullmatch(r"lts/(\w+)", text)) and name[1] in _NAMES:
            return _NAMES[name[1]], file
    data = folder.read_json("package.json")
    volta, engines = data.get("volta"), data.get("engines")
    if isinstance(volta, dict) and (match := re.match(r"\d+", str(volta.get("node", "")))):
        return match[0], "volta in package.json"
    wanted = str(engines.get("node", "")).strip() if isinstance(engines, dict) else ""
    if not wanted:
        return DEFAULT_VERSION, "default: no file names one"
    chosen = next((major for major in _MAJORS if allows(wanted, major)), None)
    if chosen is None:
        return DEFAULT_VERSION, f"default: no version is known that fits engines in package.json, {wanted}"
    if str(chosen) == DEFAULT_VERSION:
        return DEFAULT_VERSION, f"engines in package.json allows {wanted}"
    return str(chosen), "engines in package.json"


def allows(wanted: str, major: int) -> bool:
    """Whether a range of npm allows the newest version of a major one."""
    return any(_fits(part.strip(), major) for part in wanted.split("||"))


def _fits(part: str, major: int) -> bool:
    if part in ("", "*", "x", "latest", "node"):
        return True
    if between := re.fullmatch(r"v?(\d+)\S*\s+-\s+v?(\d+)\S*", part):
        return int(between[1]) <= major <= int(between[2])
    limits = list(_PART.finditer(part))
    return bool(limits) and all(_within(limit, major) for limit in limits)


def _within(limit: re.Match[str], major: int) -> bool:
    operator, number, has_minor = limit[1] or "=", int(limit[2]), (limit[3] or "").isdecimal()
    match operator:
        case ">=":
            return major >= number
        case ">":
            return major > number or (major == number and has_minor)
        case "<":
            return major < number
        case "<=":
            return major < number or (major == number and not has_minor)
    return major == number
