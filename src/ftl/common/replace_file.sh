# replace_file PATH MODE [BYTES]: replaces a file by stdin. Another script follows.
#
# A power cut leaves the old file or the new one, whole: the content is on the disk before it gets the name, and then the
# folder is. Two who write at once write files of their own. A symbolic link stays one. With BYTES, input that ended early, as
# at a cut connection, is refused.
replace_file() {
    replaced=$(readlink -f "$1") && [ -n "$replaced" ] || return
    # Those of a writer that was killed.
    find "${replaced%/*}/" -maxdepth 1 -name "${replaced##*/}.ftl-*" -mmin +60 -exec rm -f {} + 2>/dev/null
    replacement=$(mktemp "$replaced.ftl-XXXXXXXX") || return
    if cat >"$replacement" && { [ -z "${3-}" ] || [ "$(wc -c <"$replacement")" -eq "$3" ]; } &&
        chmod "$2" "$replacement" && sync "$replacement" && mv -f "$replacement" "$replaced"; then
        sync "${replaced%/*}/"
        return 0
    fi
    rm -f "$replacement"
    return 1
}
