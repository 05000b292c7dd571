"""Benchmarks, run by hand or by make; each prints JSON objects, one per line."""
