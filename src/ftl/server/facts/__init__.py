"""Facts that shell scripts print about a server: the part that setup and doctor share."""
