"""Handing an archive to the engine there: by a script that makes it of parts, or by the engine's API alone."""
