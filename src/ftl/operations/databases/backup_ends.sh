# Prints the first and the last bytes of a scheduled backup in hex, with a slash between. Runs in a container with it.
#
# $1: the file; $2: how many bytes.
cd /backups && for end in head tail; do
    "$end" -c "$2" "$1" | od -An -v -tx1
    [ "$end" = tail ] || echo /
done
