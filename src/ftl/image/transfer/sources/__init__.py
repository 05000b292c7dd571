"""Getting layers out of the engine here: its own files, a push to this process, or what it saves."""
