"""Archives and their streams: tar, the image archive, compression formats, temporary files."""
