"""Rollback: an earlier release's target, images and hosts, and the plan that restores it."""
