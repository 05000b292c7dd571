"""Everything the shop is told by its environment, read once and in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs between one installation and the next."""

    database_url: str
    prices_url: str
    pictures: Path
    admin_token: str

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment; a variable that is missing stops the start, not the first customer."""
        return cls(
            database_url=env["DATABASE_URL"],
            prices_url=env.get("PRICES_URL", "http://prices:8000"),
            pictures=Path(env.get("PICTURES", "/data/pictures")),
            admin_token=env["ADMIN_TOKEN"],
        )
