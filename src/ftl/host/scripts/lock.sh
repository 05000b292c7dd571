# The deploy lock of a project on this server, see docs/decisions/0019. Follows lock_file.sh.
#
# $1: "hold" or "look"; $2: the engine's socket; $3: seconds without a heartbeat after which the lock is released.
# stdin: key, project and holder, a line each; after "hold" a line "beat" again and again, until the end of input.
# stdout: "mine", "free", "held HOLDER", "foreign FILE DESCRIPTION" or "failed REASON".
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

lock_file "$2" "$key"

text() {
    head -c 200 "$1" 2>/dev/null | tr -d '\n'
}

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

# with_old ACTION: "look" or "hold", for each of the old files.
with_old() {
    descriptor=7
    for old in $old_folders; do
        old=$old/ftl-$project.lock
        descriptor=$((descriptor + 1))
        [ "$1" = look ] || exists "$old" || create "$old" 666
        open_old "$descriptor" "$old" || continue
        if [ "$1" = look ]; then
            flock -n -s "$descriptor" && continue
        elif flock -n "$descriptor"; then
            printf '%s' "$holder" | dd of="$old" conv=nocreat 2>/dev/null
            continue
        fi
        if runs_old; then
            echo "held $(text "$old")"
            exit 4
        fi
    done
}

# --- look, hold ---

# replacer SOCKET: whose script goes on to replace containers here though its FTL is gone, see docs/decisions/0039. Status 1:
# none. Whoever has the lock now has to wait for it.
replacer() (
    lock_file "$1" "$key replacing"
    usable && [ -r "$file" ] || exit 1
    exec 6<"$file"
    ! flock_soon 6 || exit 1
    text "$file"
)

if [ "$1" = look ]; then
    if usable && [ -r "$file" ]; then
        exec 5<"$file"
        # Shared, so that two who look do not see each other.
        if ! flock -n -s 5; then
            echo "held $(text "$file")"
            exit 4
        fi
    fi
    with_old look
    echo free
    exit
fi

for attempt in 1 2 3; do
    exists "$file" || create "$file" 660
    exists "$file" || fail "$folder cannot be written"
    if ! usable || [ ! -r "$file" ]; then
        echo "foreign $file $(stat -c '%F of %U, mode %a' "$file" 2>/dev/null)"
        exit 3
    fi
    exec 5<"$file"
    # A second time: who looks has it for a moment.
    if ! flock -n 5 && ! { sleep 0.2 && flock -n 5; }; then
        echo "held $(text "$file")"
        exit 4
    fi
    # It may have been removed between (systemd-tmpfiles cleans /tmp): then others lock another file of this name.
    [ "$file" -ef /proc/self/fd/5 ] && break
    [ "$attempt" = 3 ] && fail "$file is removed again and again"
done
if other=$(replacer "$2"); then
    echo "held $other"
    exit 4
fi
with_old hold
printf '%s' "$holder" | dd of="$file" conv=nocreat 2>/dev/null
echo mine
while [ "$(timeout "$3" head -n 1)" = beat ]; do :; done
