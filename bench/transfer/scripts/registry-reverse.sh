#!/bin/bash
# A registry here, from which the server pulls through an SSH forward: what Kamal's local registry does.
# Arguments: the ssh configuration, the image here, the registry's port here.
set -euo pipefail
config=$1 image=$2 here=127.0.0.1:$3 there=127.0.0.1:5555
docker tag "$image" "$here/$image"
docker push --quiet "$here/$image"

# An engine may keep its connection to a registry for minutes: without a master, ssh would wait until that ends.
trap 'ssh -F "$config" -O exit server 2> /dev/null' EXIT
ssh -F "$config" -M -o ControlPersist=60 -o ExitOnForwardFailure=yes -R "$there:$here" \
    server bench/pull "$there/$image" "$image"
