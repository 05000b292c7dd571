"""The proxy: one Caddy container per server, shared by all projects.

Routes become its configuration, which is reloaded only when it changes. The live release is not in it: Caddy reads
that from a file at every request, so a switch is one atomic file write (docs/explanation/switch.md).
"""
