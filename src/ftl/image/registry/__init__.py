"""Registries: credentials, push from this machine, pull on a server, and error messages."""
