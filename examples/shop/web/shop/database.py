"""The shop's tables, behind one connection pool."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row, scalar_row
from psycopg_pool import ConnectionPool


@dataclass(frozen=True, slots=True)
class Product:
    """Something on the shelf; its price is another service's business."""

    sku: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Order:
    """Something sold, at the price of that moment."""

    number: int
    sku: str
    name: str
    quantity: int
    cents: int
    version: str
    placed: datetime


class Database:
    """Queries, each on a connection of its own from the pool."""

    def __init__(self, url: str) -> None:
        self._opening = threading.Lock()
        self._pool = ConnectionPool(
            url, min_size=1, max_size=8, timeout=5, open=False, check=ConnectionPool.check_connection
        )

    def products(self) -> list[Product]:
        """Every product, by name."""
        with self._connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Product))
            return cursor.execute("SELECT sku, name, description FROM products ORDER BY name").fetchall()

    def product(self, sku: str) -> Product | None:
        """One product, if there is such a one."""
        with self._connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Product))
            query = "SELECT sku, name, description FROM products WHERE sku = %s"
            return cursor.execute(query, (sku,)).fetchone()

    def add_order(self, sku: str, quantity: int, cents: int, version: str) -> int:
        """Keep an order and return its number; `cents` is the price of one, `version` the shop's that took it."""
        with self._connection() as connection:
            cursor = connection.cursor(row_factory=scalar_row)
            query = (
                "INSERT INTO orders (sku, quantity, cents, version) VALUES (%s, %s, %s, %s) RETURNING number"
            )
            return cursor.execute(query, (sku, quantity, cents, version)).fetchone()

    def order(self, number: int) -> Order | None:
        """One order, if there is such a one."""
        with self._connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Order))
            query = """
                SELECT number, sku, name, quantity, cents, version, placed
                FROM orders JOIN products USING (sku) WHERE number = %s
            """
            return cursor.execute(query, (number,)).fetchone()

    def _connection(self):
        # Opened by the first query and not in __init__, which may run before the server forks its workers. Closed
        # before the interpreter goes: the pool's threads can no longer be stopped then, and waiting for them is slow.
        with self._opening:
            if self._pool.closed:
                self._pool.open()
                atexit.register(self._pool.close)
        return self._pool.connection()
