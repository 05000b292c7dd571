"""Forms in which programs print a text: escaped, quoted, encoded, in pieces."""
