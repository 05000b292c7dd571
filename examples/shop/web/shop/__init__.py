"""A small shop: products, their prices from the `prices` service, orders and pictures."""

VERSION = "1.0.0"
