# Waits until a server that follows what is live is done with it, for 30 s at most; see host/follow.sh.
#
# $1: the project.
lock=$HOME/.ftl/follow.$1.lock
[ ! -e "$lock" ] || flock -w 30 "$lock" true
