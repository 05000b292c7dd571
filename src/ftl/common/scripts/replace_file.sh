# replace_file PATH MODE [BYTES [SEEN]]: replaces a file by stdin. Another script follows.
#
# A power cut leaves the old file or the new one, whole: the content is on the disk before it gets the name, and then the
# folder is. Two who write at once write files of their own. A symbolic link stays one. With BYTES, input that ended early, as
# at a cut connection, is refused.
#
# With SEEN, the content_digest of the file when it was read, a file that has changed since is left alone: exit status 75, and
# a sentence. Of two with SEEN, the second sees what the first has written. Others know no lock of ours: for them there
# is nothing between the look and the new name.
replace_file() {
    replaced=$(readlink -f "$1") && [ -n "$replaced" ] || return
    # Those of a writer that was killed.
    find "${replaced%/*}/" -maxdepth 1 -name "${replaced##*/}.ftl-*" -mmin +60 -exec rm -f {} + 2>/dev/null
    replacement=$(mktemp "$replaced.ftl-XXXXXXXX") || return
    replace_status=1
    if cat >"$replacement" && { [ -z "${3-}" ] || [ "$(wc -c <"$replacement")" -eq "$3" ]; } &&
        chmod "$2" "$replacement" && sync "$replacement" && give_name "${4-}"; then
        sync "${replaced%/*}/"
        return 0
    fi
    rm -f "$replacement"
    return "$replace_status"
}

# The lock is the folder's own, so that nothing is left; some network file systems have none.
give_name() { # [SEEN]
    if [ -z "$1" ]; then
        mv -f "$replacement" "$replaced"
        return
    fi
    {
        flock -w 20 8 2>/dev/null
        if [ "$(content_digest "$replaced")" = "$1" ]; then
            mv -f "$replacement" "$replaced"
        else
            echo "$replaced was changed meanwhile by somebody else, and was left alone"
            replace_status=75
            return 75
        fi
    } 8<"${replaced%/*}/"
}

# content_digest PATH: of what a file holds; one that is not there counts as empty.
content_digest() {
    { [ ! -e "$1" ] || cat "$1"; } | sha256sum | cut -d ' ' -f 1
}
