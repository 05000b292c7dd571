"""A new layer as what differs from an old one."""
