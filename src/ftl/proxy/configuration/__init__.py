"""Caddy's configuration, rendered from sites."""
