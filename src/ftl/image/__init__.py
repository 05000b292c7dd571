"""Images: building them here, what tells two of them apart, and the registries that the user named."""

from ftl.image.build import Built, build
from ftl.image.identity import content_id
from ftl.image.registry import push, registry_auth

__all__ = ["Built", "build", "content_id", "push", "registry_auth"]
