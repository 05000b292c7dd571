"""Registries that users name: who logs in there, pushing from here, pulling on a server, and what they refuse."""
