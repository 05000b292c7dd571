# Prints the server's time, and the last lines of the access log. Runs inside the proxy.
#
# Arguments: the log file, the number of lines. The file may have been rotated just now: the one before it follows on.
date +%s
folder=${1%/*}
older=$(ls -t "$folder"/access-*.log 2>/dev/null | head -n 1)
cat ${older:+"$older"} "$1" 2>/dev/null | tail -n "$2"
