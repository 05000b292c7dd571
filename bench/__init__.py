"""Benchmarks: run by hand or by make (a test sees that they run); each prints JSON objects, one a line."""
