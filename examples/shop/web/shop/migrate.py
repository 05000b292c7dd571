"""Bring the database's schema up to this release: `python -m shop.migrate`.

Runs every file of `migrations/` that has not run yet, in the order of their numbers, each in a transaction of its
own together with the note that it ran. Running it again changes nothing; two runs at once take turns. The old release
still serves while this runs, so a migration adds (tables, columns with defaults) and never takes away what the old
release uses: that is for the release after it.
"""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LOCK = 20_240_501  # any number, as long as nobody else in this database uses it for an advisory lock


def migrate(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Run what is missing and return the names of what ran."""
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, ran timestamptz NOT NULL DEFAULT now())"
        )
        done = {name for (name,) in connection.execute("SELECT name FROM migrations")}
        missing = [file for file in sorted(folder.glob("*.sql")) if file.name not in done]
        for file in missing:
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute("INSERT INTO migrations (name) VALUES (%s)", (file.name,))
            print(f"ran {file.name}", flush=True)
        return [file.name for file in missing]


if __name__ == "__main__":
    if not migrate(os.environ["DATABASE_URL"]):
        print("the schema is up to date")
