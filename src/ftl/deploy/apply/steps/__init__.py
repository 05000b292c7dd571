"""Runners of the steps: a module for each of `deploy.plan.steps`, one for hooks, helpers."""
