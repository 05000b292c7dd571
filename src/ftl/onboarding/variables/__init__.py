"""Environment variables that an app's code reads, by the form in which it does."""
