"""A Fly configuration as ftl.yaml."""
