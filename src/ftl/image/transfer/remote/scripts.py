"""What runs on a server during a transfer, over SSH: constant programs for a POSIX shell, told by arguments and stdin.

They need what every Debian and Ubuntu has (sh, awk, GNU head; perl for differences), zstd, and the docker
command. Where something is missing, `ASK` tells, and the transfer does without, or takes the engine's API instead.

Layers that arrive are kept, compressed, in the user's cache folder up to a limit: a transfer that is cut goes on from
there, and the next release's layers are sent as differences to them.
"""

from ftl.image.transfer.remote.perl import APPLY, TELL

_TRIES = 750
"""Looks for a piece, 20 ms apart, before the channel that should bring it is taken for lost."""

_START = """\
export LC_ALL=C
unset TIME_STYLE PERL_UNICODE PERL5OPT PERL5LIB PERLIO
umask 077
dir="${XDG_CACHE_HOME:-$HOME/.cache}/ftl/layers"
"""
"""Programs read what the tools say and list there, so that must not depend on the user's language and habits."""

IMAGES_FOLDER = """\
images=$1
if [ "${2-}" = containerd ] && [ -S /run/containerd/containerd.sock ]; then images=/var/lib/containerd; fi
"""
"""Where an engine keeps its images, given its folder and its store: with containerd's store it uses the system's
containerd if there is one, else its own."""

ASK = f"""\
{_START}
began=$(date +%s%N)
echo "zstd $(zstd --version 2>/dev/null)"
echo "docker $(command -v docker)"
echo "exact $(printf abcd | {{ head -c 2 >/dev/null; cat; }})"
echo "perl $(perl -e 'print unpack("%64Q<*", "abcdefgh")' 2>/dev/null)"
echo "memory $(awk '$1 == "MemAvailable:" {{ print $2 }}' /proc/meminfo)"
{IMAGES_FOLDER}\
echo "images $(df -Pk "$images" | awk 'NR == 2 {{ print $4 }}')"
if mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ]; then
  echo "home $(df -Pk "$dir" | awk 'NR == 2 {{ print $4 }}')"
fi
ls -ltn "$dir" 2>/dev/null | awk '$9 ~ /^[0-9a-f]+-[0-9]+$/ {{ print "layer", $9, $5 }}' | head -n 500
echo "took $(($(date +%s%N) - began))"
"""
"""Tells the tools, the room in kilobytes (none for layers where they cannot be kept), the layers that are kept, the
newest first, and the nanoseconds that all this took. Arguments: the engine's folder and store."""

RECEIVE = f"""\
{_START}
set -u
work="$dir/.run.$1"
spare="${{TMPDIR:-/tmp}}/ftl.run.$1"
limit=$2
shift 2
trap 'rm -rf "$work" "$spare"' EXIT
trap 'exit 129' HUP INT TERM

# When a process was started, in ticks: field 22 of proc(5)'s stat, which is the 20th after the program's name.
# After a restart another process may have the number of one that is gone, but it was not started at the same time.
started() {{
  read -r stat 2>/dev/null < "/proc/$1/stat" || return 0
  set -- ${{stat##*) }}
  echo "${{20}}"
}}

# What is left of runs that were killed.
for file in "$dir"/.run.*/*.pid; do
  process=${{file##*/}}
  process=${{process%.pid}}
  pid=${{process%-*}}
  kill -0 "$pid" 2>/dev/null && [ "$pid-$(started "$pid")" = "$process" ] || rm -rf "${{file%/*}}"
done
find "$dir" -maxdepth 1 -name '.run.*' -mmin +1440 -exec rm -rf {{}} + 2>/dev/null

# What is needed of a disk is made now. One that is full, or fills up, costs what would be kept, and nothing else.
prepare() {{
  : > "$work/$$-$(started $$).pid" &&
    {{ touch -d '2 seconds ago' "$work/began" 2>/dev/null || touch "$work/began"; }}
}}
if mkdir -p "$work" 2>/dev/null && prepare 2>/dev/null; then
  new=$work/new
else
  rm -rf "$work"
  work=$spare
  new=
  mkdir "$work" && prepare || exit 1
fi

fail() {{
  echo "ftl: $1" >&2
  exit 1
}}

# A shell knows of the last part of a pipeline alone whether it failed: each tells its name and status here.
failed() {{
  echo "$1 $?;" >&3
}}

# Bytes that come in counted pieces, some of them by other channels, up to a piece of none.
pieces() {{
  while read -r count piece; do
    case $count in
      0) return ;;
      @) aside "$work/$piece" || return ;;
      *) head -c "$count" || return ;;
    esac
  done
  return 1
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

# A layer made of the old one, by frames of instructions.
windows() {{
  perl -e '{APPLY}' "$work"
}}

# No file that is kept may be larger than all of them.
bounded() {{
  trap '' XFSZ
  ulimit -f $((limit / 512))
}}

# Passes on what comes, with a copy to be kept.
copied() {{
  [ "$new" ] || exec cat
  bounded
  tee "$new" 2>/dev/null
}}

# Whether a layer may be copied as it is, to be compressed later: it might be kept, and leaves most of the disk's room.
roomy() {{
  [ "$new" ] && [ "$((${{1##*-}} / 4))" -le "$limit" ] &&
    [ "$(df -Pk "$work" | awk 'NR == 2 {{ print $4 }}')" -gt "$((${{1##*-}} / 256))" ]
}}

# Compresses a layer's copy, to be kept: beside what comes next, the loading of the last layer above all.
squeeze() {{
  exec >/dev/null 4>&- # or the engine would wait for this to end
  {{ bounded && nice zstd -1qc "$1" 2>/dev/null > "$1.zst" && mv -f "$1.zst" "$dir/$2"; }} || rm -f "$1.zst"
  rm -f "$1"
}}

# Keeps a layer, or tells what is wrong with it, by the parts that failed. 141: the engine reads no more, and says why.
arrived() {{
  case $2 in
    *'unpacking 141;'* | *'passing 141;'*) exit 1 ;;
    *windows*) fail "layer $1 could not be made of the old one" ;;
    *'pieces 1;'*) fail "layer $1 did not arrive whole" ;;
    *unpacking*) fail "layer $1 is damaged" ;;
  esac
}}

archive() {{
  exec 4>&1
  trap 'exec >/dev/null 4>&-; wait' EXIT # the engine does not wait for what is still compressed
  while read -r kind one two; do
    case $kind in
      raw) head -c "$one" || exit 1 ;;
      whole)
        bad=$({{
          {{ pieces || failed pieces; }} | {{ copied || failed copied; }} | {{ zstd -dqc >&4 || failed unpacking; }}
        }} 3>&1)
        arrived "$one" "$bad"
        [ -z "$new" ] || [ "$bad" ] || mv -f "$new" "$dir/$one"
        rm -f "$new"
        ;;
      kept)
        touch -c "$dir/$one"
        zstd -dqc "$dir/$one" || arrived "$one" "unpacking $?;"
        ;;
      old)
        touch -c "$dir/$one"
        zstd -dqc "$dir/$one" 2>/dev/null > "$work/old" || fail "layer $one, which was kept, cannot be unpacked"
        ;;
      delta)
        plain=/dev/null
        if roomy "$one"; then plain=$work/plain.$one; fi
        bad=$({{ {{ windows || failed windows; }} | {{ tee "$plain" 2>/dev/null >&4 || failed passing; }}; }} 3>&1)
        rm -f "$work/old" "$work/range"
        [ "$plain" = /dev/null ] || [ -z "$bad" ] || rm -f "$plain"
        arrived "$one" "$bad"
        if [ -f "$plain" ]; then squeeze "$plain" "$one" & fi
        ;;
      end)
        exec >/dev/null 4>&-
        wait
        return 0
        ;;
    esac
  done
  fail "the stream ended early"
}}

archive | "$@"
status=$?
if [ "$status" != 0 ]; then
  # What was used or came, and is not what its name says, is not trusted again.
  find "$dir" -maxdepth 1 -type f -newer "$work/began" 2>/dev/null | while read -r path; do
    name=${{path##*/}}
    [ "$(zstd -dqc "$path" 2>/dev/null | sha256sum | cut -c 1-64)" = "${{name%-*}}" ] || rm -f "$path"
  done
  limit=$((limit * 4)) # the next run goes on from what has arrived
fi
ls -ltn "$dir" 2>/dev/null |
  awk -v limit="$limit" '$9 ~ /^[0-9a-f]+-[0-9]+$/ {{ if (sum + $5 > limit) print $9; else sum += $5 }}' |
  while read -r name; do rm -f "$dir/$name"; done
exit "$status"
"""
"""Makes the archive of what comes in and hands it to a command. Arguments: the transfer's name, how many bytes to keep,
the command. Where the archive cannot be made, a line on stderr begins with "ftl: "."""

DESCRIBE = f"""\
{_START}
zstd -dqc "$dir/$1" | perl -e '{TELL}' | zstd -qc
"""
"""Describes a layer that is kept, compressed by zstd: its tar up to the end mark, but of each file's content the first
16 bytes and the sum of the 8-byte words after those (little endian, the last filled up with zeros, modulo 2^64), also
little endian; then "ftl-end". What `Members` takes for a name or for the end is taken for one here. Argument: the
layer's name."""

ASIDE = f"""\
{_START}
work="$dir/.run.$1"
mkdir -p "$work" || exit 1
while read -r number count; do
  head -c "$count" > "$work/$number" || exit 1
  [ "$(wc -c < "$work/$number")" -eq "$count" ] || exit 1
  mv "$work/$number" "$work/$number.piece"
done
"""
"""Puts the pieces of one channel into files for `RECEIVE`. Argument: the transfer's name."""
