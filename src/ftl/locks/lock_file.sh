# The locks of a project, or of the engine's proxy: files that all users of the engine share and others cannot even open (see
# docs/decisions/0019). No other script calls `flock` for them. Sets `file`, `folder`, `group`, `me`,
# `answer` and `lock_...`. Another script follows; `socket` is the engine's. Runs on the server.
#
# Two for each key (docs/decisions/0040). The deploy lock (descriptor 5): who may change the project. The second one (6), shared: who
# goes on without the FTL that began it, from before its first change to its end. Whoever takes the deploy lock looks at the second one,
# and so finds nothing changing any more; whoever goes on needs the deploy lock for nothing but what it begins by itself. Nobody
# waits for the second one while it has the deploy lock.

# lock_file SOCKET KEY: sets `file`. Only users of the engine can know the key.
lock_file() {
    [ -n "${folder-}" ] || find_folder "$1"
    # The key comes from the engine's ID, which only users of the engine know; with the boot ID, nobody can foresee the
    # name after a reboot from an earlier one.
    lock_boot=''
    [ -r /proc/sys/kernel/random/boot_id ] && read -r lock_boot </proc/sys/kernel/random/boot_id
    lock_name=$(printf '%s %s' "$2" "$lock_boot" | sha256sum)
    file=$folder/ftl-$(printf %.32s "$lock_name").lock
}

# find_folder SOCKET: sets `folder`, and `group` and `me`, the IDs of the engine's socket and of this user.
find_folder() {
    # The members of the socket's group may use the engine, and root.
    # The folder is the same for root as for others: it does not depend on who may write where. In both folders only its
    # owner can remove or replace a file (sticky bit).
    group='' me='' folder=/tmp
    while read -r lock_path lock_owner lock_group lock_mode; do
        case $lock_path in
        "$1") group=$lock_group ;;
        /proc/self) me=$lock_owner ;;
        /run/lock) [ "$lock_mode" = 1777 ] && folder=/run/lock ;;
        esac
    done <<END
$(stat -L -c '%n %u %g %a' "$1" /proc/self /run/lock 2>/dev/null)
END
}

exists() {
    [ -e "$1" ] || [ -L "$1" ]
}

# create FILE MODE: it appears with its group and mode at once, and only where nothing has its name (link(2)).
create() {
    lock_made=$(mktemp "${1%/*}/ftl-new-XXXXXXXX" 2>/dev/null) || return 0
    { [ -n "$group" ] && chgrp "$group" "$lock_made" || [ "$2" = 666 ]; } 2>/dev/null && chmod "$2" "$lock_made"
    ln "$lock_made" "$1" 2>/dev/null
    rm -f "$lock_made"
}

# Whether a user of the engine has made $file: a regular file that others cannot even open, and so cannot lock.
# Modes in hex: 81b0 is a regular file with 0660, 8180 with 0600. Only a member can give a file to the group.
usable() {
    # shellcheck disable=SC2046
    set -- $(stat -c '%f %u %g' "$file" 2>/dev/null)
    case ${1-} in
    81b0) [ "$3" = "$group" ] || [ "$2" = "$me" ] || [ "$2" = 0 ] ;;
    8180) [ "$2" = "$me" ] ;;
    *) return 1 ;;
    esac && [ -r "$file" ]
}

# The name that a holder has written.
text() { # FILE
    head -c 200 "$1" 2>/dev/null | tr -d '\n'
}

# Puts a name into $file, for those who find it locked. Without it, as on a full disk, the lock is held all the same.
sign() { # NAME
    printf '%s' "$1" | dd of="$file" conv=nocreat 2>/dev/null || :
}

# flock_for TRIES DESCRIPTOR [OPTION...]: five times a second; not every `flock` can wait itself (busybox).
flock_for() {
    lock_left=$1 lock_descriptor=$2
    shift 2
    until flock -n "$@" "$lock_descriptor"; do
        lock_left=$((lock_left - 1))
        [ "$lock_left" -gt 0 ] || return 1
        sleep 0.2
    done
}

# open_lock DESCRIPTOR KEY TRIES [OPTION...]: opens its file, and locks it with flock's options. Status 1: another one has it; 2 and 3,
# and `answer` says why: nobody who may use the engine made it, or it cannot be made.
open_lock() {
    lock_file "$socket" "$2"
    lock_opened=$1 lock_tries=$3
    shift 3
    for lock_attempt in 1 2 3; do
        exists "$file" || create "$file" 660
        exists "$file" || { answer="failed $folder cannot be written"; return 3; }
        usable || { answer=$(foreign); return 2; }
        eval "command exec $lock_opened<\"\$file\"" || continue # removed just now
        flock_for "$lock_tries" "$lock_opened" "$@" || { close_lock "$lock_opened"; return 1; }
        # It may have been removed between (systemd-tmpfiles cleans /tmp): then others lock another file of this name.
        [ "$file" -ef "/proc/self/fd/$lock_opened" ] && return
        close_lock "$lock_opened"
    done
    answer="failed $file is removed again and again"
    return 3
}

close_lock() { # DESCRIPTOR
    eval "exec $1<&-"
}

foreign() {
    echo "foreign $file $(stat -c '%F of %U, mode %a' "$file" 2>/dev/null)"
}

# is_locked TRIES [OPTION...]: whether somebody still has $file after them. Status 1: nobody; 2: it is foreign; 3: there is none,
# and none is made.
is_locked() (
    exists "$file" || exit 3
    usable || exit 2
    lock_tries=$1
    shift
    command exec 4<"$file" || exit 3
    ! flock_for "$lock_tries" 4 "$@"
)

# look_at_lock KEY TRIES: sets `answer`: "free", "held NAME", "goes-on NAME" (the server alone) or "foreign FILE DESCRIPTION".
# Shared where the deploy lock is looked at, so that two who look do not see each other. Who is about to end the second one has
# some tries to do so.
look_at_lock() {
    answer=free
    lock_file "$socket" "$1"
    is_locked 1 -s
    case $? in
    0) answer="held $(text "$file")" ;;
    2) answer=$(foreign) ;;
    *) look_at_second "$1" "$2" ;;
    esac
}

look_at_second() { # KEY TRIES
    lock_file "$socket" "$1 goes on"
    is_locked "$2"
    case $? in
    0) answer="goes-on $(text "$file")" ;;
    2) answer=$(foreign) ;;
    esac
}

# take_deploy_lock KEY NAME: by who begins a change, if nobody else makes one. Status 1, and `answer` says why not. The patience
# comes first: a script that goes on finds the lock of its dead FTL free although others wait for it.
take_deploy_lock() {
    look_at_lock "$1" 10
    [ "$answer" = free ] || return 1
    # A second time: who looks has it for a moment.
    open_lock 5 "$1" 2
    case $? in
    0) ;;
    1) answer="held $(text "$file")" && return 1 ;;
    *) return 1 ;;
    esac
    lock_deploy=$file
    look_at_second "$1" 2
    file=$lock_deploy
    [ "$answer" = free ] || { close_lock 5; return 1; }
    sign "$2"
    answer=mine
}

# keep_lock KEY NAME: by who goes on without its FTL, which has the deploy lock now.
keep_lock() {
    open_lock 6 "$1 goes on" 10 -s && sign "$2"
}

# take_back_lock KEY NAME: by who has kept a lock and begins something by itself, as its FTL is gone. Others have looked at the second lock
# and let this one go; who keeps it for 45 s does not look.
take_back_lock() {
    open_lock 5 "$1" 225 && sign "$2"
}
