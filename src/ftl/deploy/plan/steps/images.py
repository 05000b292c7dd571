"""Steps that bring images to the server, and let old ones go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.deploy.plan.steps.base import ServiceStep, Step

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class BringImage(Step):
    """An image that FTL did not build is on the server: pulled there, else sent from here."""

    reference: str
    platform: str

    @property
    def text(self) -> str:
        return f"bring image {self.reference}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A built image on its way: its ID here, and what it will be called there."""

    service: str
    local: str
    tag: str
    content: str


@dataclass(frozen=True, slots=True)
class SendImages(Step):
    """Built images travel over SSH, each layer once and only if the server lacks it.

    Attributes:
        brought: Image ID on the server -> whether FTL's own archive brought it, as far as records tell.
    """

    images: tuple[Outgoing, ...]
    brought: Mapping[str, bool] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "send " + ", ".join(image.tag for image in self.images)


@dataclass(frozen=True, slots=True)
class PushPull(ServiceStep):
    """A built image goes through the registry that the user named: pushed from here, pulled there.

    Attributes:
        local: The image's ID here.
    """

    local: str
    reference: str
    tag: str
    platform: str

    @property
    def text(self) -> str:
        return f"push {self.reference}, pull it on the server"


@dataclass(frozen=True, slots=True)
class TagPulled(ServiceStep):
    """An image that the server pulled for an earlier release gets the new one's name: no registry is asked.

    Attributes:
        pulled: `NAME@sha256:...`.
    """

    pulled: str
    tag: str

    @property
    def text(self) -> str:
        return f"tag {self.pulled.partition('@')[0]} on the server, pulled before, as {self.tag}"


@dataclass(frozen=True, slots=True)
class DropTags(Step):
    """Images of releases that are too old to go back to lose their names, and with them their room."""

    tags: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"drop {len(self.tags)} old image{'s' if len(self.tags) != 1 else ''}"
