"""Compose files -> a draft of ftl.yaml."""
