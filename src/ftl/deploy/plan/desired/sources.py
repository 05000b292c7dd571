"""Image sources: where the image of a service comes from."""

from __future__ import annotations

from ftl.common.references import familiar
from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A built image: sent over SSH, or through the user's registry.

    Where it was built it is only tagged.

    Attributes:
        id: Its ID on the engine that built it; tags may move.
        content: Content ID: equal for equal images, whatever ID a store gives them.
        on: The machine that has it: a value of `build.on`; empty for this one.
    """

    id: str
    content: str
    on: str = ""


@dataclass(frozen=True, slots=True)
class ImageOnServer:
    """An image that the server has from an earlier release: nothing travels.

    Attributes:
        reference: Its tag or digest there: `shop-web:r3`, `nginx@sha256:...`.
        content: Content ID, as in that release's record.
    """

    reference: str
    content: str


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image that FTL did not build: pulled by the server, or sent from here.

    Attributes:
        reference: As ftl.yaml names it: `nginx:1.27`.
    """

    reference: str

    @property
    def content(self) -> str:
        """Content ID: the name is all that is known before a pull."""
        return f"ref:{familiar(self.reference)}"


@dataclass(frozen=True, slots=True)
class PinnedImage:
    """A registry's image exactly as an earlier release ran it; pulled again where it is gone.

    Attributes:
        name: As ftl.yaml named it: `nginx:1.27`.
        reference: With the digest that it was pulled by; its ID where it was not pulled.
        content: Content ID, as in that release's record.
    """

    name: str
    reference: str
    content: str


ImageSource = BuiltImage | ImageOnServer | NamedImage | PinnedImage
