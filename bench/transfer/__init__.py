"""Benchmark of bringing an image to a server, by FTL and by other methods."""
