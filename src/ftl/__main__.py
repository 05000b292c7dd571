"""`python -m ftl` is `ftl`."""

from ftl.cli import main

main()
