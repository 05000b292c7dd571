"""Build images with the docker CLI; explain cache misses and failures."""
