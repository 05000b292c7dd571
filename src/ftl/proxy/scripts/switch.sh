# Points live files to other aliases: writes all of them before it moves the first. Runs inside the proxy.
#
# Arguments: FILE=ALIAS for each. Prints each once it is switched.
set -e
mkdir -p /config/live
cd /config/live
for pair; do printf %s "${pair#*=}" > ".${pair%%=*}"; done
# A power cut leaves each file old or new: its content is on the disk before it is renamed, and then its folder is.
for pair; do sync ".${pair%%=*}"; done
for pair; do mv -f ".${pair%%=*}" "${pair%%=*}"; done
sync .
for pair; do echo "$pair"; done
