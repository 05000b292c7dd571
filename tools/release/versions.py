"""Versions by SemVer 2.0.0, and the changelog's sections that decide the next one."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_HEADING = re.compile(
    r"^## +(?:\[?Unreleased\]?|(?P<version>\d+\.\d+\.\d+) - (?P<date>\d{4}-\d\d-\d\d)) *$", re.M
)
_SECTION = re.compile(r"^### +(.+?) *$", re.M)

SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""The kinds of changes, by Keep a Changelog 1.1.0."""


class ReleaseError(Exception):
    """A reason not to release, as a sentence."""


class Version(NamedTuple):
    """MAJOR.MINOR.PATCH: without pre-releases, which PyPI would spell in another way (PEP 440)."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.2.3`.

        Raises:
            ReleaseError: It is something else.
        """
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ReleaseError(
                f"`{text}` is not a version: write three numbers, as in `make release VERSION=1.2.3`"
            )
        return cls(*map(int, match.groups()))

    def successors(self) -> tuple[Version, Version, Version]:
        """The next patch, minor and major version."""
        return (
            self._replace(patch=self.patch + 1),
            Version(self.major, self.minor + 1, 0),
            Version(self.major + 1, 0, 0),
        )

    def __str__(self) -> str:
        return ".".join(map(str, self))


class Changelog(NamedTuple):
    """A changelog's text around the section Unreleased.

    Attributes:
        head: Up to and with the heading.
        unreleased: The section below it.
        rest: From the heading of the newest release on.
        last: The newest release.
    """

    head: str
    unreleased: str
    rest: str
    last: Version

    @classmethod
    def parse(cls, text: str) -> Changelog:
        """Split the text.

        Raises:
            ReleaseError: It lacks a heading.
        """
        headings = list(_HEADING.finditer(text))
        if len(headings) < 2 or headings[0]["version"] is not None or headings[1]["version"] is None:
            raise ReleaseError("CHANGELOG.md must begin with `## Unreleased`, then `## VERSION - YYYY-MM-DD`")
        first, second = headings[:2]
        return cls(
            text[: first.end()],
            text[first.end() : second.start()],
            text[second.start() :],
            Version.parse(second["version"]),
        )

    def kinds(self) -> list[str]:
        """Sections of Unreleased that have an entry.

        Raises:
            ReleaseError: There are none, or one has a name that says nothing about the version.
        """
        _, *parts = _SECTION.split(self.unreleased)
        kinds = [name for name, text in zip(parts[::2], parts[1::2], strict=True) if text.strip()]
        if not kinds:
            raise ReleaseError("CHANGELOG.md has nothing under Unreleased: there is nothing to release")
        if unknown := [name for name in kinds if name not in SECTIONS]:
            raise ReleaseError(
                f"CHANGELOG.md has a section `{unknown[0]}` under Unreleased: use {', '.join(SECTIONS)}"
            )
        return kinds

    def least(self) -> Version:
        """The smallest version that these changes may have.

        SemVer 2.0.0: what is removed needs a major version, what is added or changed a minor one. Before 1.0.0 (item 4)
        a minor version may remove.
        """
        kinds = set(self.kinds())
        patch, minor, major = self.last.successors()
        if "Removed" in kinds:
            return major if self.last.major else minor
        return minor if kinds & {"Added", "Changed", "Deprecated"} else patch

    def check(self, version: Version) -> None:
        """Check that a version can follow.

        Raises:
            ReleaseError: It skips one, or is too small for the changes.
        """
        least = self.least()
        successors = self.last.successors()
        if version not in successors:
            patch, minor, major = successors
            raise ReleaseError(f"{version} does not follow {self.last}: that is {patch}, {minor} or {major}")
        if version < least:
            raise ReleaseError(
                f"{version} is too small for sections {', '.join(self.kinds())} of the changelog:"
                f" SemVer asks for {least} at least"
            )

    def released(self, version: Version, date: str) -> str:
        """The text with what was unreleased in a dated section."""
        return f"{self.head}\n\n## {version} - {date}{self.unreleased}{self.rest}"
