"""Kamal's files -> a draft of ftl.yaml."""
