"""Kamal's proxy: routes, health checks and certificates."""
