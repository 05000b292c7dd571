"""The server's side of a transfer: the programs that run there, and what it can do."""
