# Prints facts about the server, to a user without any rights (the shared facts.sh and own_processes.sh come before it;
# $images is the folder of Docker's images). Changes nothing. df is given the path itself, which every user may do, and the tables in
# /proc are public. Only root can see which program listens on a port, but everybody which web servers run,
# without those in containers.
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin
fact time "$(date +%s)"
fact user "$(id -un)"
fact root "$images"
while [ ! -e "$images" ]; do images=$(dirname -- "$images"); done
machine_facts "$images"
df -Pi -- "$images" 2> /dev/null | tail -n 1 | lines inodes
if has zstd; then fact zstd yes; fi
fact connection "${SSH_CONNECTION-}"
{ ip -o addr show scope global || hostname -I | tr ' ' '\n' | sed 's/^/- - - /'; } 2> /dev/null | lines address
sed -nE 's,^allow ([0-9]+)/tcp$,\1,p' /etc/ftl/firewall.conf 2> /dev/null | lines allowed
web='nginx apache2 lighttpd haproxy caddy traefik varnish'
# shellcheck disable=SC2046 # one argument for each name
if units=$(systemctl list-units --plain --no-legend --state=active $(printf '%s.service ' $web) 2> /dev/null); then
    printf '%s\n' "$units" | sed -n 's/\.service .*//p' | lines web-server
else
    for name in $web; do
        if [ -n "$(own_processes "$name")" ]; then fact web-server "$name"; fi
    done
fi
true
