"""Benchmarks: run by hand or by make (the tests try no more than that they run); each prints JSON objects, one a line."""
