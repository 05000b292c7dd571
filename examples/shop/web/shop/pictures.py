"""Product pictures, on a volume that outlives every release."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

KINDS = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}


class NotAPicture(ValueError):
    """What was sent is neither PNG nor JPEG."""


class Pictures:
    """One picture a product, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, sku: str) -> str | None:
        """The file name of a product's picture, if it has one."""
        names = (sku + suffix for suffix in KINDS.values())
        return next((name for name in names if (self.folder / name).is_file()), None)

    def keep(self, sku: str, data: bytes) -> None:
        """Put a picture in its place at once: whoever looks meanwhile sees the old one or the new one, whole."""
        suffix = next((suffix for magic, suffix in KINDS.items() if data.startswith(magic)), None)
        if suffix is None:
            raise NotAPicture("a picture is PNG or JPEG")
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as new:
            new.write(data)
        os.chmod(new.name, 0o644)
        os.replace(new.name, self.folder / (sku + suffix))
        for other in set(KINDS.values()) - {suffix}:
            (self.folder / (sku + other)).unlink(missing_ok=True)
