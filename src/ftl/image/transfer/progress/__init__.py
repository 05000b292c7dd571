"""Progress of a transfer: events while it runs, and its result."""
