#!/bin/bash
# A registry on the server, reached through an SSH forward: what `docker pussh` does.
# Arguments: the ssh configuration, the image here, the port here that leads to the registry.
set -euo pipefail
config=$1 image=$2 here=127.0.0.1:$3 there=127.0.0.1:5000

# One connection: it starts the registry, waits until that answers, and stays for the forward and for what follows.
trap 'ssh -F "$config" -O exit server 2> /dev/null' EXIT
ssh -F "$config" -M -o ControlPersist=60 -o ExitOnForwardFailure=yes -L "$here:$there" server bench/start-registry
docker tag "$image" "$here/$image"
docker push --quiet "$here/$image"
ssh -F "$config" server bench/pull-from-registry "$there/$image" "$image"
