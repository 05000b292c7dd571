"""Runners of the steps: a module for each one of `deploy.plan.steps`, and their helpers."""
