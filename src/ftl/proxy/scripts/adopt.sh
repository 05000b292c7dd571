# Brings the proxy to what is live in the cluster. Runs inside the proxy.
#
# $1: "compare" (prints the digest of the configuration; exit status 1: something differs) or "adopt"; $2: the project;
# $3: the admin API's address; $4: the text of reload.sh; $5: that of switch.sh; $6: this server's folder in the archive
# of live_state.py, which is stdin; $7: words PROJECT=DIGEST, for each other project of the Swarm the digest of its site
# here; $8: what `compare` printed before these were asked for: if the configuration is another by now, its routes stay.
# Routes first: until the live files follow, a proxy that was away leads to a release that is gone, and answers 503. If
# Caddy refuses the routes, it goes on doing so.
cd /config/ftl || exit 2
project=$2 place=next/follow-$2
# A project that went back to one server, or was removed, follows no cluster: its site tells no place in one.
grep -q '^ "place": {' "sites/$project.json" 2>/dev/null || exit 0
rm -rf "$place" "$place"+*
mkdir -p "$place" || exit 2
trap 'rm -rf "$place" "$place"+*' EXIT
umask 077
gzip -dc | tar -xf - -C "$place" || exit 2
mv "$place/$6/site.json" "$place/$6/caddy.json" "$place/" || exit 2
[ -s "$place/site.json" ] && [ -s "$place/caddy.json" ] && [ -f "$place/live" ] || exit 2
sum() { sha256sum 2>/dev/null <"$1" | cut -d ' ' -f 1; }

# Before the sites are read, here and of the Swarm: whatever is stored meanwhile changes it.
base=$8
[ "$1" = adopt ] || base=$(sum caddy.json)
behind=
while IFS='=' read -r file alias; do
    [ "$(cat "/config/live/$file" 2>/dev/null)" = "$alias" ] || behind="$behind $file=$alias"
done <"$place/live"
routes=
[ "$(sum "$place/site.json")" = "$(sum "sites/$project.json")" ] || routes=differ

if [ "$1" = compare ]; then
    echo "$base"
    [ -z "$behind" ] && [ -z "$routes" ]
    exit
fi

# A configuration has the routes of all projects here. One that the deploy made for all of them is right if each of the
# others is on the disk as it is in there, or live in the Swarm: then its routes are brought, too.
shared='' brought=''
find_others() {
    for file in sites/*.json "$place/$1/others"/*.json; do
        other=${file##*/}
        [ -e "$file" ] && [ "$other" != "$project.json" ] || continue
        shared=yes other=${other%.json}
        digest=$(sum "$place/$1/others/$other.json")
        case " $brought " in *" $other "*) continue ;; esac
        if [ -z "$digest" ] || [ "$digest" != "$(sum "sites/$other.json")" ]; then
            case " $2 " in
            *" $other=${digest:-none} "*) brought="$brought $other" ;;
            *)
                echo "the routes of $project cannot be brought beside those of $other: the next deploy does it" >&2
                return 1
                ;;
            esac
        fi
    done
}

if [ -n "$routes" ]; then
    find_others "$6" "$7" || exit 2
    [ -z "$shared" ] || mv "$place/$6/shared.json" "$place/caddy.json" || exit 2
    new=$(sum "$place/caddy.json")
    [ ! -d "$place/data" ] || cp -R "$place/data/." /data/ || exit 2
    for other in $brought; do
        mkdir "$place+$other" && cp "$place/caddy.json" "$place+$other/" &&
            mv "$place/$6/others/$other.json" "$place+$other/site.json" || exit 2
    done
    sh -c "$4" ftl "follow-$project" "$base" "$project" "$3" || exit 2
    for other in $brought; do
        sh -c "$4" ftl "follow-$project+$other" "$new" "$other" "$3" || exit 2
    done
fi
# Words without spaces: names of services, and aliases.
# shellcheck disable=SC2086
[ -z "$behind" ] || sh -c "$5" ftl $behind
