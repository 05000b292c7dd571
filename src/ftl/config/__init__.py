"""Configuration: ftl.yaml and the files it names -> Project (`loading`)."""
