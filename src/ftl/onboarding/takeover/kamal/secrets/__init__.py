"""Kamal's secrets: what each line of `.kamal/secrets` is in ftl.yaml."""
