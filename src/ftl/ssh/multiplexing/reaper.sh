# Cleans up a connection when the process at the other end of stdin has ended.
# $1: the control socket, $2: our folder, $3: `kept` or `own`.
trap "" INT HUP TERM
cat >/dev/null
socket=$1 folder=$2 kind=$3
if [ -d "$folder" ]; then
    set --
    if [ "$kind" = own ]; then
        ssh -F /dev/null -S "$socket" -O exit -- ftl
    elif [ -e "$folder/forwards" ]; then
        while read -r forward; do set -- "$@" -L "$forward"; done <"$folder/forwards"
        ssh -F /dev/null -S "$socket" -O cancel "$@" -- ftl
    fi
    rm -rf -- "$folder"
fi
kill -s KILL -- "-$$"
