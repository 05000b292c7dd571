# --- the deploy user
do_user() { # NAME
    getent group docker > /dev/null || groupadd --system docker || return
    if ! getent passwd "$1" > /dev/null; then useradd --create-home --shell /bin/bash "$1"; fi
}

do_group() { # NAME
    getent group docker > /dev/null || groupadd --system docker || return
    usermod --append --groups docker "$1"
}

do_key() { # NAME FILE KEY: FILE as in sshd's AuthorizedKeysFile
    home=$(getent passwd "$1" | cut -d: -f6)
    path=$(keys_file "$2" "$1" "$home")
    case $path in
    # What a link there leads to may not be this user's to write.
    "$home"/*) runuser -u "$1" -- sh -c "$authorise" sh "$path" "$3" ;;
    # sshd reads it as this user, who has to come through its folder.
    *) mkdir -p "$(dirname "$path")" && sh -c "$authorise" sh "$path" "$3" && chown "$1:" "$path" ;;
    esac
}

authorise='
    umask 077
    mkdir -p "$(dirname "$1")" || exit
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >> "$1"; fi
    printf "%s\n" "$2" >> "$1"
'

do_sudoer() { # NAME
    # sudo passes over files with a dot in their name.
    file=/etc/sudoers.d/ftl-$(printf '%s' "$1" | tr -c 'A-Za-z0-9_-' _)
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$1" > "$state/sudoer" && visudo -cqf "$state/sudoer" &&
        install -m 0440 "$state/sudoer" "$file" && runuser -u "$1" -- sudo -n true
}
