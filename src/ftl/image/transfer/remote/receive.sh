# Makes the archive of what comes in on stdin and feeds it to a command (`docker load`). Follows prelude.sh.
# Arguments: the transfer's name, how many bytes of layers to cache, apply_delta.pl, the command and its arguments.
# Where the archive cannot be made, a line on stderr begins with "ftl: ". Where the link was measured, a line on stdout says
# how long the first bytes took: "ftl-link BYTES NANOSECONDS".
#
# On stdin, line by line; LAYER is a layer's name in the cache, DIGEST-SIZE:
#     raw COUNT         bytes of the archive as they are
#     whole LAYER       a layer in zstd frames, each after a line with its number of bytes; a line with 0 ends them
#     cached LAYER      a layer out of the cache
#     base LAYER        unpack a cached layer, for the delta that follows
#     delta LAYER       a layer made of the base; see apply_delta.pl
#     end               the archive is complete
set -u
work="$cache/.run.$1"
spare="${TMPDIR:-/tmp}/ftl.run.$1"
limit=$2
apply_delta=$3
shift 3
trap 'rm -rf "$work" "$spare"' EXIT
trap 'exit 129' HUP INT TERM

# Remove what runs that were killed have left behind.
for file in "$cache"/.run.*/*.pid; do
  process=${file##*/}
  process=${process%.pid}
  pid=${process%-*}
  kill -0 "$pid" 2>/dev/null && [ "$pid-$(started "$pid")" = "$process" ] || rm -rf "${file%/*}"
done
find "$cache" -maxdepth 1 -name '.run.*' -mmin +1440 -exec rm -rf {} + 2>/dev/null

# What is needed of the disk is made now. One that is full, or fills up, costs the cached copies, and nothing else.
prepare() {
  : > "$work/$$-$(started $$).pid" &&
    { touch -d '2 seconds ago' "$work/began" 2>/dev/null || touch "$work/began"; }
}
if mkdir -p "$work" 2>/dev/null && prepare 2>/dev/null; then
  new=$work/new
else
  rm -rf "$work"
  work=$spare
  new=
  mkdir "$work" && prepare || exit 1
fi

fail() {
  echo "ftl: $1" >&2
  exit 1
}

# A shell learns the status of the last command of a pipeline alone: each writes its name and status here.
failed() {
  echo "$1 $?;" >&3
}

# Copies a frame to stdout, and measures the link. `tail` holds all of it: an engine that reads more slowly than the link
# sends would be measured otherwise.
first_frame() {
  began=$(date +%s%N)
  {
    head -c "$1"
    echo "ftl-link $1 $(($(date +%s%N) - began))" 2>/dev/null > "$work/link"
  } | tail -c "$1"
}

# Copies counted frames to stdout, up to one of 0 bytes.
frames() {
  while read -r count; do
    case $count in
      0) return ;;
      '' | *[!0-9]*) return 1 ;;
      *) # a few bytes say nothing of the link
        if [ "$measure" = yes ] && [ "$count" -ge 262144 ] 2>/dev/null; then
          first_frame "$count"
        else
          head -c "$count"
        fi || return
        ;;
    esac
    measure=no
  done
  return 1
}

# Limits the size of a file to that of the whole cache.
bounded() {
  trap '' XFSZ
  ulimit -f $((limit / 512))
}

# Passes stdin on, with a copy for the cache.
copied() {
  [ "$new" ] || exec cat
  bounded
  tee "$new" 2>/dev/null
}

# Whether a layer may be copied uncompressed, to be compressed later: it may fit the cache, and leaves disk space free.
roomy() {
  [ "$new" ] && [ "$((${1##*-} / 4))" -le "$limit" ] &&
    [ "$(df -Pk "$work" | awk 'NR == 2 { print $4 }')" -gt "$((${1##*-} / 256))" ]
}

# Compresses a layer's copy into the cache, while the rest of the archive is sent and loaded.
squeeze() {
  exec >/dev/null 4>&- # or the engine would wait for this to end
  { bounded && nice zstd -1qc "$1" 2>/dev/null > "$1.zst" && mv -f "$1.zst" "$cache/$2"; } || rm -f "$1.zst"
  rm -f "$1"
}

# Says what is wrong with a layer, by the commands that failed. 141 (SIGPIPE): the engine reads no more, and says why.
check() {
  case $2 in
    *'unpacking 141;'* | *'passing 141;'*) exit 1 ;;
    *applying*) fail "layer $1 could not be rebuilt from the old one" ;;
    *'frames 1;'*) fail "layer $1 arrived incomplete" ;;
    *unpacking*) fail "layer $1 is damaged" ;;
  esac
}

# Lengths go into arithmetic, and layers' names into paths; the stream may come from another server.
refuse_unsafe() {
  case $1 in
    raw) case $2 in '' | *[!0-9]*) fail "a length in the stream is not a number" ;; esac ;;
    whole | cached | base | delta)
      case $2 in
        *[!0-9a-f-]* | -* | *- | *-*-* | *-*[!0-9]* | *-0?*) fail "a name in the stream is not that of a layer" ;;
        *-*) ;;
        *) fail "a name in the stream is not that of a layer" ;;
      esac
      ;;
  esac
}

archive() {
  exec 4>&1
  trap 'exec >/dev/null 4>&-; wait' EXIT # the engine does not wait for layers that are still being compressed
  measure=yes # until a layer is measured, or one is made here: then bytes have arrived before they are read
  while read -r verb argument; do
    refuse_unsafe "$verb" "$argument"
    case $verb in whole | cached | base | delta) echo "$argument" 2>/dev/null >> "$work/layers" ;; esac
    case $verb in
      raw) head -c "$argument" || exit 1 ;;
      whole)
        failures=$({
          { frames || failed frames; } | { copied || failed copied; } | { zstd -dqc >&4 || failed unpacking; }
        } 3>&1)
        check "$argument" "$failures"
        [ -z "$new" ] || [ "$failures" ] || mv -f "$new" "$cache/$argument"
        rm -f "$new"
        ;;
      cached)
        touch -c "$cache/$argument"
        zstd -dqc "$cache/$argument" || check "$argument" "unpacking $?;"
        ;;
      base)
        touch -c "$cache/$argument"
        zstd -dqc "$cache/$argument" 2>/dev/null > "$work/base" ||
          fail "layer $argument, which was kept, cannot be unpacked"
        ;;
      delta)
        plain=/dev/null
        if roomy "$argument"; then plain=$work/plain.$argument; fi
        failures=$({
          { perl -e "$apply_delta" "$work" || failed applying; } | { tee "$plain" 2>/dev/null >&4 || failed passing; }
        } 3>&1)
        rm -f "$work/base" "$work/range"
        [ "$plain" = /dev/null ] || [ -z "$failures" ] || rm -f "$plain"
        check "$argument" "$failures"
        if [ -f "$plain" ]; then squeeze "$plain" "$argument" & fi
        ;;
      end)
        exec >/dev/null 4>&-
        wait
        return 0
        ;;
    esac
    case $verb in cached | base) measure=no ;; esac
    [ ! -e "$work/link" ] || measure=no
  done
  fail "the stream ended early"
}

archive | "$@"
status=$?
cat "$work/link" 2>/dev/null
if [ "$status" != 0 ]; then
  # Files that were used or arrived, and do not have the digest in their name, are not trusted again.
  find "$cache" -maxdepth 1 -type f -newer "$work/began" 2>/dev/null | while read -r path; do
    name=${path##*/}
    [ "$(zstd -dqc "$path" 2>/dev/null | sha256sum | cut -c 1-64)" = "${name%-*}" ] || rm -f "$path"
  done
  limit=$((limit * 4)) # the next run goes on from what has arrived
else
  # A mark on the layers that the engine has now: unused_layers.sh removes them once no image has them any more.
  (cd "$cache" && xargs chmod u+x < "$work/layers") 2>/dev/null
fi
ls -ltn "$cache" 2>/dev/null |
  awk -v limit="$limit" '$9 ~ /^[0-9a-f]+-[0-9]+$/ { if (sum + $5 > limit) print $9; else sum += $5 }' |
  while read -r name; do rm -f "$cache/$name"; done
exit "$status"
