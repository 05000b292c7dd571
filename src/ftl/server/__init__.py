"""Servers of one's own making: the sandbox."""
