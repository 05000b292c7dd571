# Prints a line of facts about the server and the login. The sockets are tried in this order: the system's engine, the
# one that the login's DOCKER_HOST names, a rootless one; where there is none of them, the one that the docker command's
# context names. An engine elsewhere (tcp, ssh) is only reported.

# $1: a socket's path. Takes it if this user may use it.
try() {
    if [ -S "$1" ] && [ -w "$1" ]; then s=$1; else return 1; fi
}

s='' d='' h='' e='' l=''
usual=/var/run/docker.sock
try "$usual" || try "${DOCKER_HOST#unix://}" || try "${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock"
if [ -S "$usual" ]; then d=socket; fi
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin:/snap/bin
if [ -z "$s" ]; then
    h=${DOCKER_HOST:-$(docker context inspect -f "{{.Endpoints.docker.Host}}" 2>/dev/null)}
    try "${h#unix://}"
fi
if command -v dockerd >/dev/null 2>&1 || command -v docker >/dev/null 2>&1; then e=engine; fi
if grep -q " 00010000 .*docker.sock$" /proc/net/unix 2>/dev/null; then l=listening; fi
printf '\nftl-facts\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(id -un)" "$s" "$d" "$e" "$l" "$h"
