"""Several servers as one cluster: Swarm mode, and a network that is tried with packets."""
