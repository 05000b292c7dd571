"""Inputs of a build: context, Dockerfile, .dockerignore."""
