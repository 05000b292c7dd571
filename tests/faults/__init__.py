"""Faults: commands that are killed, cut off or starved under load, and the state they leave."""
