"""Fakes at the real seams (engine, machine, clock), for unit tests of code that uses them."""
