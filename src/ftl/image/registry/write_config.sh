# Writes stdin to Docker's configuration file of this user. Follows replace_file.sh. $1: its length in bytes; $2: the
# content_digest of the file that was read.
umask 077
mkdir -p "$HOME/.docker" && replace_file "$HOME/.docker/config.json" 600 "$1" "$2"
