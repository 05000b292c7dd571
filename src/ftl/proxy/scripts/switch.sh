# Points live files to other aliases: writes all of them before it moves the first. Runs inside the proxy.
#
# Arguments: FILE=ALIAS for each. Prints each once it is switched.
set -e
mkdir -p /config/live
cd /config/live
for pair; do printf %s "${pair#*=}" > ".${pair%%=*}"; done
for pair; do mv -f ".${pair%%=*}" "${pair%%=*}"; done
for pair; do echo "$pair"; done
