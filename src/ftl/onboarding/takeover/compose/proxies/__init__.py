"""Other proxies of a Compose file: their labels, variables and files as routes."""
