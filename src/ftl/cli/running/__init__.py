"""Run of a command's work, from its options to its result, messages and exit code."""
