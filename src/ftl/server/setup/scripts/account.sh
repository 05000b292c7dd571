# --- the deploy user
do_create_user() { # NAME
    getent group docker > /dev/null || groupadd --system docker || return
    if ! getent passwd "$1" > /dev/null; then useradd --create-home --shell /bin/bash "$1"; fi
}

do_join_docker_group() { # NAME
    getent group docker > /dev/null || groupadd --system docker || return
    usermod --append --groups docker "$1"
}

do_authorise_key() { # NAME PATTERN KEY: PATTERN as in sshd's AuthorizedKeysFile
    home=$(getent passwd "$1" | cut -d: -f6)
    path=$(keys_file "$2" "$1" "$home")
    case $path in
    # Written as that user: a link there may lead to a file that this user may not write.
    "$home"/*) runuser -u "$1" -- sh -c "$authorise" sh "$path" "$3" ;;
    # sshd reads it as this user, who needs access to its folder.
    *) mkdir -p "$(dirname "$path")" && sh -c "$authorise" sh "$path" "$3" && chown "$1:" "$path" ;;
    esac
}

authorise='
    umask 077
    mkdir -p "$(dirname "$1")" || exit
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >> "$1"; fi
    printf "%s\n" "$2" >> "$1" && sync "$1"
'

do_grant_sudo() { # NAME
    # sudo ignores files with a dot in their name.
    file=/etc/sudoers.d/ftl-$(printf '%s' "$1" | tr -c 'A-Za-z0-9_-' _)
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$1" > "$state/sudoer" && visudo -cqf "$state/sudoer" &&
        replace_file "$file" 440 < "$state/sudoer" && runuser -u "$1" -- sudo -n true
}
