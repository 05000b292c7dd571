# Loads an uploaded configuration, and keeps it if Caddy accepts it. Follows proxy_lock.sh. Runs inside the proxy.
#
# Arguments: the uploaded folder's name in next/, the digest of the configuration that the change was made from, the
# project, the admin API's address (empty: the proxy is stopped). The folder is removed in any case; without a site.json in it the project's site is
# removed. Each site has a copy, for a file that something else damages. Exit status 75 (EX_TEMPFAIL): the configuration is no longer the one with that digest, nothing happened.
cd /config/ftl || exit 1
take_lock
trap 'rm -rf "$lock" "next/$1" "copies/.$3"' EXIT
is_base() { [ "$(sha256sum <caddy.json)" = "$1  -" ]; }
is_base "$2" || exit 75
[ -z "$4" ] || caddy reload --address "$4" --config "next/$1/caddy.json" || exit 1
# Another one has passed over our lock, and stored its configuration: Caddy gets that again, and nothing of ours is stored.
still_base() {
    is_base "$1" && return
    [ -z "$2" ] || caddy reload --address "$2" --config caddy.json
    exit 75
}
mkdir -p copies
# Certificates that the configuration names were uploaded just before: Caddy would not start with an empty one.
grep -oE '"/data/ftl/[^"]*[.](crt|key)"' "next/$1/caddy.json" | tr -d '"' | sort -u | while read -r file; do
    [ ! -f "$file" ] || sync "$file" "${file%/*}"
done
# A power cut leaves each file old or new: what is renamed is on the disk, and then its folder is. `sync` syncs the files
# that it is given.
if [ -f "next/$1/site.json" ]; then
    cp "next/$1/site.json" "copies/.$3" || exit 1
    sync "next/$1/caddy.json" "next/$1/site.json" "copies/.$3"
    still_base "$2" "$4"
    mv -f "next/$1/caddy.json" caddy.json || exit 1
    mv -f "next/$1/site.json" "sites/$3.json"
    mv -f "copies/.$3" "copies/$3.json"
else
    sync "next/$1/caddy.json"
    still_base "$2" "$4"
    mv -f "next/$1/caddy.json" caddy.json || exit 1
    rm -f "sites/$3.json" "copies/$3.json"
fi
# Sites that FTL 0.1.0 stored have no copy yet.
for site in sites/*.json; do
    [ -e "copies/${site#*/}" ] || cp "$site" copies/
done
sync . sites copies
