"""Images: building them here, bringing them to a server, what tells two of them apart, the user's registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.lazy import loader

if TYPE_CHECKING:
    from ftl.image.building import Built, build
    from ftl.image.commit import git_commit
    from ftl.image.identity import content_id
    from ftl.image.registry import Keyring, build_logins, pull, push
    from ftl.image.transfer import Sent, learn_layers, send, send_many

__all__ = [
    "Built",
    "Keyring",
    "Sent",
    "build",
    "build_logins",
    "content_id",
    "git_commit",
    "learn_layers",
    "pull",
    "push",
    "send",
    "send_many",
]

__getattr__ = loader(
    __name__,
    {
        "Built": "building",
        "Keyring": "registry",
        "Sent": "transfer",
        "build": "building",
        "build_logins": "registry",
        "content_id": "identity",
        "git_commit": "commit",
        "learn_layers": "transfer",
        "pull": "registry",
        "push": "registry",
        "send": "transfer",
        "send_many": "transfer",
    },
)
