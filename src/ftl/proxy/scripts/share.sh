# Shares the certificates of a project between the proxies of a cluster. Follows proxy_lock.sh. Runs inside the proxy; "hand" in
# a container of the Swarm.
#
# "list PROJECT": stdin has the archive of live_state.py; prints the digest of the certificates that exist of those it names.
# "pack PROJECT": likewise; prints them as a compressed tar archive.
# "take PROJECT DIGEST ADMIN": stdin has such an archive; stores what it has, and lets Caddy use it. Exit status 1: Caddy refuses
# it, and nothing changed.
# "has PROJECT DIGEST": whether that was taken.
# "hand PROJECT DIGEST": puts /ftl-certificates, such an archive, where "handed" finds it. Without a proxy there is nothing to do.
# "handed PROJECT - ADMIN": takes what was put there, unless it was taken.
umask 077
action=$1 project=$2
root=/data/caddy/certificates shared=/data/ftl/shared
case $action in
has)
    [ "$(cat "$shared/.$project" 2>/dev/null)" = "$3" ]
    exit
    ;;
hand)
    [ -d /data/ftl ] || exit 0
    place=/data/.ftl-handed-$project
    rm -rf "$place"
    mkdir "$place" && cp /ftl-certificates "$place/.new" && sync "$place/.new" && mv "$place/.new" "$place/$3"
    exit
    ;;
handed)
    place=/data/.ftl-handed-$project
    digest=$(ls "$place" 2>/dev/null) && [ -n "$digest" ] || exit 0
    if [ "$(cat "$shared/.$project" 2>/dev/null)" = "$digest" ]; then
        rm -rf "$place"
        exit 0
    fi
    exec <"$place/$digest" || exit 2
    set -- take "$project" "$digest" "$4"
    ;;
list | pack)
    names=$(gzip -dc | tar -xOf - certificates) || exit 2
    cd "$root" 2>/dev/null || exit 0
    # Words without spaces: folders of Caddy's storage, ISSUER/HOST.
    found=
    for name in $names; do
        host=${name##*/}
        if [ -s "$name/$host.crt" ] && [ -s "$name/$host.key" ]; then found="$found $name/$host"; fi
    done
    [ -n "$found" ] || exit 0
    set --
    for each in $found; do set -- "$@" "$each.crt" "$each.key"; done
    if [ "$action" = list ]; then
        # Caddy writes the third file, with times, more often.
        { echo "$@"; cat "$@"; } | sha256sum | cut -d ' ' -f 1
        exit
    fi
    for each in $found; do [ ! -s "$each.json" ] || set -- "$@" "$each.json"; done
    tar -cf - "$@" | gzip -c
    exit
    ;;
esac

digest=$3 admin=$4
mkdir -p "$shared" || exit 2
# On the same volume, so that files are renamed; not in /data/ftl: Caddy loads each certificate below it.
place=/data/.ftl-taken-$project
take_lock
trap 'rm -rf "$lock" "$place"' EXIT
rm -rf "$place" "/data/ftl/.taken-$project"
mkdir -p "$place/new" "$place/pem" || exit 2
gzip -dc | tar -xf - -C "$place/new" || exit 2
cd "$place/new" || exit 2
for file in */*/*.crt; do
    [ -s "${file%.crt}.key" ] || exit 2
    name=${file%.crt}
    cat "$file" "$name.key" >"$place/pem/${name##*/}.pem" || exit 2
done
printf '{"apps":{"tls":{"certificates":{"load_folders":["%s"]}}}}' "$place/pem" >"$place/caddy.json"
caddy validate --config "$place/caddy.json" >/dev/null 2>&1 || exit 1
# A power cut leaves each file old or new: what is renamed is on the disk, and then its folder is.
for file in */*/*; do
    folder=$root/${file%/*}
    mkdir -p "$folder" && cp "$file" "$folder/.new" || exit 2
    sync "$folder/.new"
    mv -f "$folder/.new" "$root/$file" || exit 2
done
sync "$place"/pem/*.pem
for file in "$place"/pem/*.pem; do mv -f "$file" "$shared/" || exit 2; done
for folder in */*; do sync "$root/$folder"; done
sync "$shared"
# Another name of the listeners that nothing connects to: only then connections end in order (handover.py). What is stored
# stays as it is.
config=/config/ftl/caddy.json base='' tries=0
until [ "$(sha256sum <"$config")" = "$base" ] || [ "$tries" -ge 3 ]; do
    # Again where a change of routes has passed over our lock and stored another one: Caddy has lost it.
    base=$(sha256sum <"$config") tries=$((tries + 1))
    part=$(echo "$digest" | cut -c 1-11)$tries
    sed "s|\\(unix//dev/shm/[a-z0-9-]*\\)-[0-9a-f]\\{12\\}[.]sock|\\1-$part.sock|" "$config" >"$place/caddy.json" || exit 2
    caddy reload --force --address "$admin" --config "$place/caddy.json" || exit 1
done
printf %s "$digest" >"$shared/.$project.new" && mv -f "$shared/.$project.new" "$shared/.$project"
