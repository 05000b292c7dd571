"""Time from an app without files for Docker to its first answer, for generated apps."""
