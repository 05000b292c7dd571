"""Sources of layers in the local engine: a push to this process, or `docker save`."""
