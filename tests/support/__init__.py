"""Fakes at the real seams (engine, machine, clock), for unit tests of whatever works through them."""
