"""Servers: prepare one, diagnose one, run a disposable one on this machine."""
