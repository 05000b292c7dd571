# The deploy lock of a project on this server, or the lock of its proxy; see docs/decisions/0019 and 0040. Follows own_processes.sh and lock_file.sh.
#
# $1: "take" or "look"; $2: the engine's socket; $3: seconds without a heartbeat after which the lock is released.
# stdin: key, project (empty: FTL 0.1.0 does not know this lock) and holder, a line each; after "take" a line "beat" again and again, until the end of input.
# stdout: "mine", "free", "held HOLDER", "goes-on NAME" (a script of the server, whose FTL is gone), "foreign FILE DESCRIPTION" or
# "failed REASON".
set -u
LC_ALL=C
export LC_ALL
IFS= read -r key && IFS= read -r project && IFS= read -r holder || exit 2

fail() {
    echo "failed $*"
    exit 3
}

for tool in flock sha256sum stat mktemp timeout; do
    command -v "$tool" >/dev/null || fail "there is no \`$tool\` on the server"
done

socket=$2

give_up() {
    echo "$answer"
    case $answer in held* | goes-on*) exit 4 ;; *) exit 3 ;; esac
}

if [ "$1" = look ]; then
    look_at_lock "$key" 2
    [ "$answer" = free ] || give_up
else
    take_deploy_lock "$key" "$holder" || give_up
fi

# --- FTL 0.1.0 ---
# It locks FOLDER/ftl-PROJECT.lock, which any local user may open and so lock. That counts while a process of it runs:
# `sh -c SCRIPT ftl-lock PROJECT HOLDER 30`, by a user of the engine. We lock the file too, which keeps 0.1.0 out.
# FOLDER is /run/lock for users who can write there, else /tmp.
old_folders=/run/lock
[ "$folder" = /tmp ] && old_folders='/run/lock /tmp'

# engine_user UID NAME
engine_user() {
    [ "${1-}" = 0 ] || [ "${1-}" = "$me" ] && return 0
    case " $(id -G -- "${2-}" 2>/dev/null) " in
    "  ") return 1 ;;
    *" $group "*) return 0 ;;
    *) return 1 ;;
    esac
}

runs_old() {
    # shellcheck disable=SC2013
    for cmdline in $(grep -lsxz ftl-lock /proc/[0-9]*/cmdline); do
        grep -sxzqF -- "$project" "$cmdline" || continue
        grep -sxzq 30 "$cmdline" || continue
        process=${cmdline#/proc/}
        is_own_process "${process%/cmdline}" || continue # inside of a container anybody may have such words
        # shellcheck disable=SC2046
        engine_user $(stat -c '%u %U' "${cmdline%/*}" 2>/dev/null) && return 0
    done
    return 1
}

# open_old DESCRIPTOR FILE: only a file of a user of the engine is opened, so that nobody can swap it for a FIFO.
open_old() {
    # shellcheck disable=SC2046
    engine_user $(stat -c '%u %U' "$2" 2>/dev/null) && [ -f "$2" ] && [ ! -L "$2" ] && [ -r "$2" ] || return 1
    eval "exec $1<\"\$2\""
}

# with_old ACTION: "look" or "take", for each of the old files.
with_old() {
    [ -n "$project" ] || return 0
    descriptor=7
    for old in $old_folders; do
        old=$old/ftl-$project.lock
        descriptor=$((descriptor + 1))
        [ "$1" = look ] || exists "$old" || create "$old" 666
        open_old "$descriptor" "$old" || continue
        if [ "$1" = look ]; then
            flock_for 1 "$descriptor" -s && continue
        elif flock_for 1 "$descriptor"; then
            (file=$old && sign "$holder")
            continue
        fi
        ! runs_old || { answer="held $(text "$old")" && give_up; }
    done
}

with_old "$1"
if [ "$1" = look ]; then
    echo free
    exit
fi
echo mine
while [ "$(timeout "$3" head -n 1)" = beat ]; do :; done
