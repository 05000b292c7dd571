# Loads an uploaded configuration, and keeps it if Caddy accepts it. Runs inside the proxy.
#
# Arguments: the uploaded folder's name in next/, the digest of the configuration that the change was made from, the
# project, the admin API's address. The folder is removed in any case; without a site.json in it the project's site is
# removed. Exit status 75 (EX_TEMPFAIL): the configuration is no longer the one with that digest, nothing happened.
cd /config/ftl || exit 1
lock=/dev/shm/ftl-proxy tries=0
# The image's busybox may lack flock.
until mkdir "$lock" 2>/dev/null; do
    tries=$((tries + 1))
    # 30 s: the process that took the lock was killed.
    [ "$tries" -lt 150 ] || break
    sleep 0.2
done
trap 'rm -rf "$lock" "next/$1"' EXIT
[ "$(sha256sum < caddy.json)" = "$2  -" ] || exit 75
caddy reload --address "$4" --config "next/$1/caddy.json" || exit 1
mv -f "next/$1/caddy.json" caddy.json || exit 1
if [ -f "next/$1/site.json" ]; then
    mv -f "next/$1/site.json" "sites/$3.json"
else
    rm -f "sites/$3.json"
fi
