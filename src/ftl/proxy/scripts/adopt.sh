# Brings the proxy to what is live in the cluster. Runs inside the proxy.
#
# $1: "compare" (exit status 1: something differs) or "adopt"; $2: the project; $3: the admin API's address; $4: the text of
# reload.sh; $5: that of switch.sh; $6: this server's folder in the archive of live_state.py, which is stdin.
# Routes first: until the live files follow, a proxy that was away leads to a release that is gone, and answers 503. If
# Caddy refuses the routes, it goes on doing so.
cd /config/ftl || exit 2
project=$2 place=next/follow-$2
# A project that went back to one server, or was removed, follows no cluster: its site tells no place in one.
grep -q '^ "place": {' "sites/$project.json" 2>/dev/null || exit 0
rm -rf "$place"
mkdir -p "$place" || exit 2
trap 'rm -rf "$place"' EXIT
umask 077
gzip -dc | tar -xf - -C "$place" || exit 2
mv "$place/$6/site.json" "$place/$6/caddy.json" "$place/" || exit 2
[ -s "$place/site.json" ] && [ -s "$place/caddy.json" ] && [ -f "$place/live" ] || exit 2
sum() { sha256sum <"$1" 2>/dev/null; }

behind=
while IFS='=' read -r file alias; do
    [ "$(cat "/config/live/$file" 2>/dev/null)" = "$alias" ] || behind="$behind $file=$alias"
done <"$place/live"
routes=
[ "$(sum "$place/site.json")" = "$(sum "sites/$project.json")" ] || routes=differ
# Another project's routes are not in that configuration: the next deploy brings these.
for other in sites/*.json; do
    [ "$other" = "sites/$project.json" ] || [ ! -e "$other" ] || [ -z "$routes" ] || routes=shared
done

if [ "$1" = compare ]; then
    [ -z "$behind" ] && [ "$routes" != differ ]
    exit
fi
if [ "$routes" = differ ]; then
    [ ! -d "$place/data" ] || cp -R "$place/data/." /data/ || exit 2
    config=$(sha256sum <caddy.json)
    sh -c "$4" ftl "follow-$project" "${config%% *}" "$project" "$3" || exit 2
elif [ "$routes" = shared ]; then
    echo "the routes of $project differ, and the proxy serves other projects, too" >&2
    exit 2
fi
# Words without spaces: names of services, and aliases.
# shellcheck disable=SC2086
[ -z "$behind" ] || sh -c "$5" ftl $behind
