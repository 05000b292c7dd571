"""Deltas: a new layer as instructions that make it of a base layer in the server's cache."""
