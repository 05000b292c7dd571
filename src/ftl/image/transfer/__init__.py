"""Bringing images to a server: what it lacks, as one archive in one stream, verified before it gets its name."""

from ftl.image.transfer.sending import send, send_many
from ftl.image.transfer.sent import Sent
from ftl.image.transfer.sources.origin import learn_layers

__all__ = ["Sent", "learn_layers", "send", "send_many"]
