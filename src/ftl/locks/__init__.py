"""Locks on a server: of a project, and of the proxy that all projects share."""
