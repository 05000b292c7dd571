"""API calls by kind of object, and the bodies and streams that they use."""
