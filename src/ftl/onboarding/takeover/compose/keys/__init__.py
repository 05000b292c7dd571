"""Keys of a Compose service: a module for each noun."""
