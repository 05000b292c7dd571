# A lock file that all users of the engine share, and others cannot even open: see docs/decisions/0019.
# Another script follows. Runs on the server.

# lock_file SOCKET KEY: sets `file`, its `folder`, and `group` and `me`, the IDs of the engine's socket and of this user.
# Only users of the engine can know the key.
lock_file() {
    # The members of the socket's group may use the engine, and root.
    # The folder is the same for root as for others: it does not depend on who may write where. In both folders only its
    # owner can remove or replace a file (sticky bit).
    group='' me='' folder=/tmp
    while read -r path owner gid permissions; do
        case $path in
        "$1") group=$gid ;;
        /proc/self) me=$owner ;;
        /run/lock) [ "$permissions" = 1777 ] && folder=/run/lock ;;
        esac
    done <<END
$(stat -L -c '%n %u %g %a' "$1" /proc/self /run/lock 2>/dev/null)
END

    # The key comes from the engine's ID, which only users of the engine know; with the boot ID, nobody can foresee the
    # name after a reboot from an earlier one.
    boot=''
    [ -r /proc/sys/kernel/random/boot_id ] && read -r boot </proc/sys/kernel/random/boot_id
    name=$(printf '%s %s' "$2" "$boot" | sha256sum)
    file=$folder/ftl-$(printf %.32s "$name").lock
}

exists() {
    [ -e "$1" ] || [ -L "$1" ]
}

# create FILE MODE: it appears with its group and mode at once, and only where nothing has its name (link(2)).
create() {
    new=$(mktemp "${1%/*}/ftl-new-XXXXXXXX" 2>/dev/null) || return 0
    { [ -n "$group" ] && chgrp "$group" "$new" || [ "$2" = 666 ]; } 2>/dev/null && chmod "$2" "$new"
    ln "$new" "$1" 2>/dev/null
    rm -f "$new"
}

# flock_soon DESCRIPTOR OPTION...: within two seconds, for who looks or ends has it for a moment.
flock_soon() {
    descriptor=$1
    shift
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        flock -n "$@" "$descriptor" && return
        sleep 0.2
    done
    return 1
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
    esac
}
