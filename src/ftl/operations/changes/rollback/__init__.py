"""Rollback: choice of an earlier release, its images and hosts, and the plan for it."""
