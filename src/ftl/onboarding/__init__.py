"""First steps with an app that exists: ftl.yaml, Dockerfile and .dockerignore for it."""
