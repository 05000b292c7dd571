"""What runs on a server during a transfer, over SSH: constant programs for a POSIX shell, told by arguments and stdin.

They need what every Debian and Ubuntu has (sh, awk, GNU head and dd), zstd, and the docker command. Where something is
missing, `ASK` tells, and the transfer takes the engine's API instead.

Layers that arrive are kept, compressed, in the user's cache folder up to a limit: a transfer that is cut goes on from
there, and the next release's layers are sent as differences to them.
"""

_TRIES = 6000
"""Looks for a piece, 20 ms apart, before the channel that should bring it is taken for lost."""

_FOLDER = 'dir="${XDG_CACHE_HOME:-$HOME/.cache}/ftl/layers"'

ASK = f"""\
{_FOLDER}
echo "zstd $(zstd --version 2>/dev/null)"
echo "docker $(command -v docker)"
echo "exact $(printf abcd | {{ head -c 2 >/dev/null; cat; }})"
echo "skip $(printf abcd | dd bs=1 count=2 iflag=skip_bytes,count_bytes skip=1 status=none 2>/dev/null)"
echo "memory $(awk '$1 == "MemAvailable:" {{ print $2 }}' /proc/meminfo)"
echo "images $(df -Pk "$1" | awk 'NR == 2 {{ print $4 }}')"
echo "home $(df -Pk "$HOME" | awk 'NR == 2 {{ print $4 }}')"
ls -ltn "$dir" 2>/dev/null | awk '$9 ~ /^[0-9a-f]+-[0-9]+$/ {{ print "layer", $9, $5 }}' | head -n 500
"""
"""Tells the tools, the room in kilobytes and the layers that are kept, the newest first. Argument: the engine's
folder."""

RECEIVE = f"""\
set -u
umask 077
{_FOLDER}
work="$dir/.run.$1"
limit=$2
shift 2
mkdir -p "$work" || exit 1
find "$dir" -maxdepth 1 -name '.run.*' -mmin +1440 -exec rm -rf {{}} + 2>/dev/null
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP INT TERM

fail() {{
  echo "ftl: $1" >&2
  : > "$work/failed"
  exit 1
}}

# Bytes that come in counted pieces, some of them by other channels, up to a piece of none.
pieces() {{
  while read -r count piece; do
    case $count in
      0) : > "$work/whole" && return ;;
      @) aside "$work/$piece" || return ;;
      *) head -c "$count" ;;
    esac
  done
}}

# A piece that another channel puts into a file.
aside() {{
  tries=0
  until [ -e "$1.piece" ]; do
    [ "$tries" -lt {_TRIES} ] || return
    tries=$((tries + 1))
    sleep 0.02
  done
  cat "$1.piece" && rm "$1.piece"
}}

# Windows: each a range of the old layer, and what is read with that before it.
windows() {{
  while read -r offset length count; do
    [ "$count" = 0 ] && : > "$work/whole" && return
    if [ "$length" = 0 ]; then
      head -c "$count" | zstd -dqc || return
    else
      dd if="$work/old" of="$work/range" bs=1M status=none \\
        iflag=skip_bytes,count_bytes skip="$offset" count="$length" &&
        head -c "$count" | zstd -dqc -D "$work/range" || return
    fi
  done
}}

# What has arrived whole is kept; a disk that is too full for that is no failure.
keep() {{
  rm "$work/whole" 2>/dev/null || fail "layer $1 did not arrive whole"
  [ -e "$work/short" ] || mv -f "$work/new" "$dir/$1"
  rm -f "$work/short" "$work/new"
}}

archive() {{
  while read -r kind one two; do
    case $kind in
      raw) head -c "$one" ;;
      whole)
        pieces | {{ tee "$work/new" || : > "$work/short"; }} | zstd -dqc || fail "layer $one is damaged"
        keep "$one"
        ;;
      kept)
        touch -c "$dir/$one"
        zstd -dqc "$dir/$one" || fail "the layer kept as $one is damaged"
        ;;
      old)
        touch -c "$dir/$one"
        zstd -dqc "$dir/$one" > "$work/old" || fail "the layer kept as $one is damaged"
        ;;
      delta)
        mkfifo "$work/fifo"
        {{ zstd -1qc > "$work/new" || {{ : > "$work/short"; cat >/dev/null; }}; }} < "$work/fifo" &
        windows | tee "$work/fifo"
        wait
        rm "$work/fifo"
        keep "$one"
        ;;
      end) return 0 ;;
    esac
  done
  fail "the stream ended early"
}}

{{ archive || : > "$work/failed"; }} | "$@"
status=$?
[ -e "$work/failed" ] && status=1
ls -ltn "$dir" | awk -v limit="$limit" '$9 ~ /^[0-9a-f]+-[0-9]+$/ {{ sum += $5; if (sum > limit) print $9 }}' |
  while read -r name; do rm -f "$dir/$name"; done
exit $status
"""
"""Makes the archive of what comes in and hands it to a command. Arguments: the transfer's name, how many bytes to keep,
the command."""

ASIDE = f"""\
umask 077
{_FOLDER}
work="$dir/.run.$1"
mkdir -p "$work" || exit 1
while read -r number count; do
  head -c "$count" > "$work/$number" || exit 1
  [ "$(wc -c < "$work/$number")" -eq "$count" ] || exit 1
  mv "$work/$number" "$work/$number.piece"
done
"""
"""Puts the pieces of one channel into files for `RECEIVE`. Argument: the transfer's name."""
