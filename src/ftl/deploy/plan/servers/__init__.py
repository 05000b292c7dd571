"""Servers of a plan: which containers run where, and which servers each step is for."""
