# --- swap
swap_file=/swapfile fstab=/etc/fstab

do_add_swap() { # BYTES
    made=
    if [ -e $swap_file ]; then
        # One with a signature is whole: it is of a setup that was cut after it had made it, or was switched off.
        if [ "$(blkid -p -s TYPE -o value $swap_file)" != swap ]; then
            echo "$swap_file exists already, and is not a swap file: move it away"
            return 1
        fi
    else
        make_swap "$1" || return
        made=yes
    fi
    entered=
    if ! awk -v file=$swap_file '$1 == file { found = 1 } END { exit !found }' $fstab; then
        write_fstab "$swap_file none swap sw 0 0" || return
        entered=yes
    fi
    if swapon $swap_file; then return; fi
    if [ -n "$entered" ]; then write_fstab; fi
    if [ -n "$made" ]; then rm -f $swap_file; fi
    return 1
}

write_fstab() { # [LINE]: the line of the swap file, or none
    fstab_seen=$(content_digest $fstab)
    if [ -e $fstab ]; then awk -v file=$swap_file '$1 != file' $fstab; fi > "$state/fstab" || return
    if [ -n "${1-}" ]; then echo "$1" >> "$state/fstab"; fi
    replace_file $fstab 644 '' "$fstab_seen" < "$state/fstab"
}

# It gets its name when it is whole; what a setup that was cut has left of it goes.
make_swap() { # BYTES
    new=$swap_file.ftl-new
    rm -f $new
    if (umask 077 && { fallocate -l "$1" $new || dd if=/dev/zero of=$new bs=1M count=$(($1 / 1048576)); }) &&
        mkswap $new && sync $new && mv $new $swap_file; then
        return
    fi
    rm -f $new
    return 1
}
