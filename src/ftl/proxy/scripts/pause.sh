# Drops new connections to ports for some seconds, so that they are retried instead of refused. Runs in a container with
# the machine's network, on the machine's own file system (for its iptables). SIGTERM ends it and removes the rules.
#
# Arguments: seconds until it begins, seconds that it lasts at most, ports.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
until=$(date -u -d "@$(($(date +%s) + $2))" +%Y-%m-%dT%H:%M:%S) || exit 1
rule="PREROUTING -p tcp --syn -m multiport --dports $3 -m addrtype --dst-type LOCAL -m time --datestop $until -j DROP"
# shellcheck disable=SC2086  # the rule is words
each() { for table in iptables ip6tables; do $table -w 2 -t raw "$1" $rule 2>/dev/null; done; }
trap 'each -D; exit 0' TERM INT
sleep "$1" & wait
each -I
sleep "$2" & wait
each -D
