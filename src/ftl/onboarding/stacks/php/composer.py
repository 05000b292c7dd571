"""Composer's files: packages, extensions, and the version of PHP that all of them take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.onboarding.folder import AppFolder

_IN_EVERY_IMAGE = """
    core ctype curl date dom fileinfo filter hash iconv json libxml mbstring mysqlnd openssl pcre pdo pdo_sqlite phar
    posix random readline reflection session simplexml sodium spl sqlite3 standard tokenizer xml xmlreader xmlwriter
    zlib
"""
_BUILT_IN = frozenset(_IN_EVERY_IMAGE.split())
"""Extensions of the images of PHP themselves."""

_OLDEST = (8, 2)
"""The oldest version that there is an image of FrankenPHP for."""
_DEFAULT = (8, 4)
_PARTS = re.compile(r"\s*\|\|?\s*")


@dataclass(frozen=True, slots=True)
class Requirements:
    """Packages, PHP and extensions that an app and its packages require.

    Attributes:
        packages: Direct dependencies, with their versions.
        php: The lowest version of PHP that all of them take.
        extensions: Extensions that the image lacks.
    """

    packages: Mapping[str, str]
    php: str
    php_reason: str
    extensions: tuple[str, ...]


def requirements(folder: AppFolder) -> Requirements:
    """Requirements of composer.json, and of the packages that composer.lock names for a server."""
    declared = folder.read_json("composer.json")
    own = _texts(declared.get("require"))
    lock = folder.read_json("composer.lock")
    sources: list[tuple[str, Mapping[str, str]]] = [("composer.json", own)]
    config = declared.get("config")
    if isinstance(config, dict):
        sources.append(("config.platform of composer.json", _texts(config.get("platform"))))
    sources.append(("composer.lock", _texts(lock.get("platform"))))
    sources += [("composer.lock", each) for each in _locked(lock)]
    version, reason = _DEFAULT, "default: no file names one"
    lowest: tuple[int, int] | None = None
    for file, required in sources:
        minimum = _minimum(required.get("php", ""))
        if minimum is not None and (lowest is None or minimum > lowest):
            lowest, reason = minimum, file
    if lowest is not None:
        version = max(lowest, _OLDEST)
    names = {
        name.removeprefix("ext-").removeprefix("zend-").lower(): None
        for _, required in sources
        for name in required
        if name.startswith("ext-")
    }
    extensions = tuple(name for name in names if name not in _BUILT_IN)
    return Requirements(own, ".".join(map(str, version)), reason, extensions)


def _locked(lock: Mapping[str, object]) -> Iterator[Mapping[str, str]]:
    packages = lock.get("packages")
    for package in packages if isinstance(packages, list) else ():
        yield _texts(package.get("require")) if isinstance(package, dict) else {}


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _minimum(constraint: str) -> tuple[int, int] | None:
    """The lowest version of a constraint: of `^8.1 || ^8.2` the first."""
    found = [
        (int(match[1]), int(match[2] or 0))
        for part in _PARTS.split(constraint)
        if (match := re.match(r"(?:>=|\^|~|=|v|>)?\s*(\d+)(?:\.(\d+))?", part.strip()))
    ]
    return min(found, default=None)
