"""Transfer of images to a server: missing layers alone, verified before they are tagged."""

from ftl.image.transfer.inventory import TargetServer
from ftl.image.transfer.progress.result import TransferResult
from ftl.image.transfer.queue import TransferQueue, Urgency
from ftl.image.transfer.sender import Sender
from ftl.image.transfer.sources.local_engine import warm_blob_cache
from ftl.image.transfer.sources.read_ahead import ReadAhead

__all__ = [
    "ReadAhead",
    "Sender",
    "TargetServer",
    "TransferQueue",
    "TransferResult",
    "Urgency",
    "warm_blob_cache",
]
