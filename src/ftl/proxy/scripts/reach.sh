# Tries the way from the proxy to the containers behind an alias: the name first, then a connection to each address.
# Runs inside the proxy.
#
# Arguments: ADMIN ALIAS PORT ADDRESSES SECONDS. Tries again until the alias has so many addresses, and all accept.
# After SECONDS it ends with 1, and prints the number of addresses and those that do not accept.
admin=$1 alias=$2 port=$3 addresses=$4 end=$(($(date +%s) + $5))

# Debian's busybox has no `nc -z`. Where there is no nc of either kind nothing is known: Caddy itself answers here.
accepts() { nc -w 2 "$1" "$2" -e true </dev/null >/dev/null 2>&1; }
accepts "${admin%:*}" "${admin#*:}" || exit 0

while :; do
    found=$(nslookup -type=a "$alias" 127.0.0.11 2>/dev/null |
        sed -n '/^Name:/,$ s/^Address[ 0-9]*: *\([0-9.]*\).*/\1/p')
    number=$(echo "$found" | grep -c .)
    # Side by side: each waits two seconds where packets are lost.
    silent=$(for each in $found; do { accepts "$each" "$port" || echo "$each"; } & done; wait)
    [ "$number" -ge "$addresses" ] && [ -z "$silent" ] && exit 0
    [ "$(date +%s)" -lt "$end" ] || break
    sleep 0.3
done
echo "$number"
[ -z "$silent" ] || echo "$silent"
exit 1
