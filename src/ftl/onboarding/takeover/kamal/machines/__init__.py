"""Hosts, roles and destinations of Kamal."""
