#!/bin/sh
# Init script in place of that of Docker's package, which a container may not run.
case "$1" in
restart) engine stop; engine start ;;
*) engine "$1" ;;
esac
