# Lists scheduled backups, a line each: the file's name, and its bytes. Runs in a container with their folder.
cd /backups && for file in *; do
    [ ! -f "$file" ] || printf '%s %s\n' "$file" "$(wc -c <"$file")"
done
