"""Several servers: lost requests, seconds and bytes of a cluster of three."""
