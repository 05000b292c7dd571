"""A release, and what it consists of: packages, recipes, one self-contained file."""
