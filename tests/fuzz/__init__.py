"""Fuzzing of everything that parses bytes from outside: files, engines, servers, builders."""
