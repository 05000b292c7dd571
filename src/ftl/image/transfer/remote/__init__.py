"""The server's side of a transfer: the programs that run there, and its capabilities."""
