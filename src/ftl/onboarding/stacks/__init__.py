"""Detectors, one module per language; `table` lists the stacks."""
