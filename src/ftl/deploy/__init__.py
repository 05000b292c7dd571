"""Deploy: observe -> plan -> apply, from a project to running containers."""
