"""Images on the server: how they come, whose they are, and when they go."""
