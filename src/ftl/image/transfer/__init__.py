"""Bringing images to a server: what it lacks, as one archive in one stream, verified before it gets its name."""

from ftl.image.transfer.progress.result import Sent
from ftl.image.transfer.send import send, send_many
from ftl.image.transfer.sources.local_engine import learn_layers

__all__ = ["Sent", "learn_layers", "send", "send_many"]
