# Prints the last lines of the proxy's access log that are about a project. Runs inside the proxy.
#
# Arguments: the log file, the project, number of lines. The file may have been rotated just now: the one before it comes
# first. No path can pass for the field, since a quote in it is written as \".
older=$(ls -t "${1%/*}"/access-*.log 2>/dev/null | head -n 1)
cat ${older:+"$older"} "$1" 2>/dev/null | grep -F "\"ftl\":\"$2/" | tail -n "$3"
