"""Steps that bring images to the server and remove old ones."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.common.figures import count
from ftl.dataclass import dataclass
from ftl.deploy.plan.steps.base import ServiceStep, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.deploy.plan.steps.base import ServerLookup


@dataclass(frozen=True, slots=True)
class BringImage(Step):
    """Have the server pull an image that FTL did not build; send it from here where it cannot.

    Attributes:
        owners: Services and dependencies that run it.
        sends: The server sends messages in it: without it a deploy goes on.
    """

    kind = "bring_image"
    runs_on = "computed"
    sentence = "fetch image {0.reference}"
    reference: str
    platform: str
    owners: tuple[str, ...] = ()
    sends: bool = False

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        servers = lookup.lacking(self.reference, self.owners)
        return (replace(self, servers=servers),) if servers else ()


@dataclass(frozen=True, slots=True)
class OutgoingImage:
    """A built image to send: its ID on the machine that built it, and its tag on the server."""

    service: str
    local: str
    tag: str
    content: str


@dataclass(frozen=True, slots=True)
class SendImages(Step):
    """Send built images over SSH: each layer once, and only if the server lacks it.

    Attributes:
        brought: Image ID on the server -> whether FTL's own archive brought it, as far as records tell.
        built_on: The machine that has them, a value of `build.on`; empty for this one.
    """

    kind = "send_images"
    runs_on = "all"
    images: tuple[OutgoingImage, ...]
    brought: Mapping[str, bool] = field(default_factory=dict)
    built_on: str = ""

    @property
    def text(self) -> str:
        tags = ", ".join(image.tag for image in self.images)
        if self.built_on == "server" and not self.servers:
            return f"tag {tags}, built on the server"
        source = "the server that built them" if self.built_on == "server" else self.built_on
        return f"send {tags}{f' from {source}' if source else ''}"

    @property
    def servers_text(self) -> str:
        """The servers, and the way between them.

        A few kilobytes go straight to each: the sizes are known when they are sent.
        """
        if len(self.servers) < 2 or self.built_on == "server":
            return f"on {', '.join(self.servers)}"
        first, *others = self.servers
        return f"to {first}, and from there to {', '.join(others)}"


@dataclass(frozen=True, slots=True)
class PushPull(ServiceStep):
    """Push a built image to the registry that ftl.yaml names, and have the server pull it.

    Attributes:
        local: The image's ID on the machine that built it.
        built_on: That machine, a value of `build.on`; empty for this one.
    """

    kind = "push_pull"
    runs_on = "all"
    sentence = "push {0.reference}, pull it on the server"
    local: str
    reference: str
    tag: str
    platform: str
    built_on: str = ""


@dataclass(frozen=True, slots=True)
class TagPulled(ServiceStep):
    """Tag an image that the server has from an earlier release; nothing travels.

    Attributes:
        pulled: `NAME@sha256:...`, or that release's tag.
    """

    kind = "tag_pulled"
    runs_on = "all"
    pulled: str
    tag: str

    @property
    def text(self) -> str:
        return f"tag {self.pulled.partition('@')[0]}, which the server has, as {self.tag}"


@dataclass(frozen=True, slots=True)
class ClaimImage(Step):
    """Mark an image that FTL brought for another project as one that this project uses, too."""

    kind = "claim_image"
    runs_on = "all"
    sentence = "keep image {0.reference}, which another project brought"
    reference: str


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image of a registry that FTL brought, and that the project needs no longer.

    Attributes:
        id: Its ID on the server.
        marks: The project's marks on it (`ftl.engine.marks`).
        stays: Only they go: containers of others use it.
    """

    id: str
    marks: tuple[str, ...]
    stays: bool = False


@dataclass(frozen=True, slots=True)
class DropPulled(Step):
    """Remove images that FTL brought: their marks, and the names that they were pulled by.

    Attributes:
        measured: A note says how many bytes that freed, where the engine measures them quickly.
    """

    kind = "drop_pulled"
    runs_on = "computed"
    images: tuple[PulledImage, ...]
    measured: bool = False

    @property
    def text(self) -> str:
        return f"drop {count(len(self.images), 'pulled image')} that nothing needs"

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        for server, present in lookup.images.items():
            if images := tuple(image for image in self.images if image.id in present):
                yield replace(self, images=images, servers=(server,))


@dataclass(frozen=True, slots=True)
class DropTags(Step):
    """Untag images of releases beyond those kept for rollback, which frees their disk space.

    Attributes:
        here: On this machine, not on the server; otherwise on the server, and here those that are the project's.
        measured: A note says how many bytes that freed, where the engine measures them quickly.
    """

    kind = "drop_tags"
    runs_on = "computed"
    tags: tuple[str, ...]
    here: bool = False
    measured: bool = False

    @property
    def text(self) -> str:
        return f"drop {count(len(self.tags), 'old image')}"

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        return (self if self.here else replace(self, servers=lookup.up),)


@dataclass(frozen=True, slots=True)
class PruneBuildCache(Step):
    """Remove the build cache of this machine that no build is using."""

    kind = "prune_build_cache"
    runs_on = "none"
    sentence = "remove this machine's unused build cache (of all projects)"


@dataclass(frozen=True, slots=True)
class RemoveImages(Step):
    """Remove images of the project by ID: they have no tag any more.

    Attributes:
        here: On this machine, not on the server.
    """

    kind = "remove_images"
    runs_on = "computed"
    images: tuple[str, ...]
    here: bool = False

    @property
    def text(self) -> str:
        place = " from this machine" if self.here else ""
        return f"remove {count(len(self.images), 'unused image')}{place}"

    def at(self, lookup: ServerLookup) -> Iterable[Step]:
        if self.here:
            yield self
            return
        for server, present in lookup.images.items():
            if images := tuple(dict.fromkeys(image for image in self.images if image in present)):
                yield replace(self, images=images, servers=(server,))
