"""Registries: credentials, pushing from this machine, pulling on a server, and error messages."""
