"""HTTP to an engine: connections, sockets, the client for short calls."""
