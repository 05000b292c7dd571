"""The files of an app that declare its image and its processes: Dockerfile, Procfile."""
