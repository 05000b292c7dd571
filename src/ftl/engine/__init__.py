"""The Docker Engine API, local or remote: one small typed surface over the client library."""
