"""Marks on images: tags that say for which project FTL brought an image of a registry.

Nobody can label an image that somebody else built. So FTL gives one that was not there before a tag of its own, beside
the one that it was pulled by: `ftl-mark/shop/ghcr.io/acme/app:v7.3f2a9c417b05` for `ghcr.io/acme/app:v7`. It ends with
the image's ID, so that the mark of another image never takes its place. What has no mark was there before, and stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.references import familiar, repository, split
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.engine.values import Image

_PREFIX = "ftl-mark"
_NO_TAG = "_"
"""In place of the tag where it was pulled by its digest alone."""

_DIGITS = 12
_PORT = "__"
"""In place of the colon before a registry's port: no host has it."""

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_MARK = re.compile(
    rf"{_PREFIX}/({_COMPONENT})/({_COMPONENT}(?:/{_COMPONENT})*):([A-Za-z0-9_][A-Za-z0-9_.-]*)\.([0-9a-f]{{{_DIGITS}}})"
)
_LONGEST_NAME, _LONGEST_TAG = 255, 128


@dataclass(frozen=True, slots=True)
class PullMark:
    """A mark on an image that FTL brought; no `tag`: it was pulled by its digest.

    The repository is in its shortest form: `nginx`, `ghcr.io/acme/app`.
    """

    project: str
    repository: str
    tag: str
    image: str

    @property
    def text(self) -> str:
        """The mark as a tag."""
        name = self.repository
        if "/" in name:
            host, _, path = name.partition("/")
            name = f"{host.replace(':', _PORT)}/{path}"
        return f"{_PREFIX}/{self.project}/{name}:{self.tag or _NO_TAG}.{self.image}"

    @property
    def reference(self) -> str:
        """The tag that it was pulled by, as the engine lists it; empty where it was the digest."""
        return f"{self.repository}:{self.tag}" if self.tag else ""


def parse_mark(tag: str) -> PullMark | None:
    """The mark that a tag is; None for any other tag."""
    match = _MARK.fullmatch(tag)
    if match is None:
        return None
    project, name, version, image = match.groups()
    if "/" in name:
        host, _, path = name.partition("/")
        name = f"{host.replace(_PORT, ':')}/{path}"
    return PullMark(project, name, "" if version == _NO_TAG else version, image)


def pull_mark(project: str, reference: str, image_id: str) -> PullMark | None:
    """The mark of an image that was pulled by a reference; None where no tag can say its name."""
    tag = "" if "@" in reference else split(reference)[1]
    mark = PullMark(project, listed_repository(reference), tag, image_id.removeprefix("sha256:")[:_DIGITS])
    name, _, version = mark.text.rpartition(":")
    fits = len(name) <= _LONGEST_NAME and len(version) <= _LONGEST_TAG
    return mark if fits and parse_mark(mark.text) == mark else None


def marks_on(image: Image) -> tuple[PullMark, ...]:
    """The marks of all projects on an image; that of another image, as by `docker tag`, is none."""
    number = image.id.removeprefix("sha256:")
    marks = (parse_mark(tag) for tag in image.tags)
    return tuple(mark for mark in marks if mark is not None and number.startswith(mark.image))


def listed_repository(reference: str) -> str:
    """Repository of a reference as engines list it: `docker.io/library/nginx:1.27` -> `nginx`."""
    return split(familiar(repository(reference)))[0]
