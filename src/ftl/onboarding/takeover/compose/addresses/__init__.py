"""Hosts, ports, networks and addresses that a Compose file names."""
