"""Images: build, explain, transfer to a server, push and pull, identify."""
