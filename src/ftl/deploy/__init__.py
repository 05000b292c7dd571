"""observe -> plan -> apply: how a project becomes what runs on a server."""
