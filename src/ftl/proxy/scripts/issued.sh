# Prints the hosts whose certificate exists in Caddy's storage. Runs inside the proxy.
#
# Arguments: the folder of certificates, then HOST=FILE for each host.
root=$1
shift
for pair; do
    if [ -e "$root/${pair#*=}" ]; then echo "${pair%%=*}"; fi
done
