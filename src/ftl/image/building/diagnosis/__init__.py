"""Diagnosis of a build: cache misses, failures, emulation, files that do not belong in it."""
