"""The docker CLI as a builder: its command line, secrets, caches and progress."""
