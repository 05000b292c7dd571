"""Shell completion of commands and of values."""
