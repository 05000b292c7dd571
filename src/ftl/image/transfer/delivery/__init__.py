"""Delivery of an archive to the server's engine: by a script there, or by the engine's API."""
