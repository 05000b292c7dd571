"""Benchmarks: run by hand or by make, never by the tests; each prints JSON objects, one a line."""
