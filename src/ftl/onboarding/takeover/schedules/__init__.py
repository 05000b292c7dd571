"""Schedules of other tools -> jobs of a draft."""
