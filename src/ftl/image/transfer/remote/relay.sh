# Passes what comes in on stdin on to other servers ("send"), or takes it from another one ("take"), in the network that
# the containers of all servers share; receive.sh makes the archive of it here. Follows prelude.sh.
# Arguments: "send" or "take", the engine's socket, the network, a tag that names what is made here, relay_send.pl or
# relay_take.pl after relay.pl, receive.sh, and its arguments.
#
# stdin of "send": a token; any line, once no more servers are waited for; then the stream, for receive.sh and all servers
# that have joined. stdin of "take": see relay_take.pl; its end ends the taking.
# A container of the network passes it on: in that of the proxy, if that is in it, since one that is new is known to the
# other servers only after a while. It has nothing but this server's own programs, to be read.
set -u
mode=$1
socket=$2
network=$3
tag=$4
relay=$5
receive=$6
shift 6
name=$(printf %s "$tag" | tr : -)
folder=
made=
trap 'rm -rf "$folder"; [ -z "$made" ] || engine rmi "$tag" >/dev/null 2>&1' EXIT
trap 'exit 129' HUP INT TERM

engine() {
  docker --host "unix://$socket" "$@"
}

find_network() {
  address=
  proxy=$(engine ps --quiet --no-trunc --filter label=ftl.role=proxy --filter "network=$network" | head -n 1)
  if [ "$proxy" ]; then
    found=$(engine inspect --format "{{.Image}} {{(index .NetworkSettings.Networks \"$network\").IPAddress}}" "$proxy")
    image=${found%% *}
    address=${found#* }
    network=container:$proxy
  else
    made=yes
    image=$tag
    mkdir "$folder/tmp" && tar -C "$folder" -c tmp | engine import - "$tag" >/dev/null
  fi
}

pass() {
  set --
  for path in /usr /lib /bin /lib64; do
    [ ! -d "$path" ] || set -- "$@" --mount "type=bind,source=$path,target=$path,readonly"
  done
  engine run --rm --interactive --name "$name" --label ftl.role=transfer --log-driver none --network "$network" \
    --read-only --cap-drop ALL --user 65534:65534 --workdir / "$@" --entrypoint /usr/bin/perl "$image" \
    -e "$relay" "$address"
}

feed() {
  trap '' PIPE
  exec 5> "$folder/stream"
  for _ in token go; do
    IFS= read -r line || exit 1
    printf '%s\n' "$line" >&5
  done
  exec tee -p /dev/fd/5
}

# In the cache, where receive.sh removes what a server that lost its power has left; else where there is room.
folder=$cache/.run.$name
{ mkdir -p "$folder" && : > "$folder/$$-$(started $$).pid"; } 2>/dev/null || folder=$(mktemp -d) || exit 1
find_network
if [ "$mode" = take ]; then
  pass | sh -c "$receive" sh "$@"
  exit
fi
mkfifo "$folder/stream"
{ pass || echo "ftl-relay failed"; } < "$folder/stream" &
feed | sh -c "$receive" sh "$@"
status=$?
wait
exit "$status"
