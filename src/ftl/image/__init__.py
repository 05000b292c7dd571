"""Images: building them here, what tells two of them apart, and the registries that the user named."""

from ftl.image.build import build
from ftl.image.built import Built
from ftl.image.commit import git_commit
from ftl.image.identity import content_id
from ftl.image.registry import push, registry_auth
from ftl.image.transfer import Sent, send, send_many

__all__ = ["Built", "Sent", "build", "content_id", "git_commit", "push", "registry_auth", "send", "send_many"]
