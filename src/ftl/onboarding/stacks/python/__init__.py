"""Python apps: frameworks, installers, Django's settings."""
