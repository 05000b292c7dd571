"""OpenSSH: the multiplexed connection, commands, forwards."""
