#!/bin/bash
# docker save | gzip | ssh docker load: what everybody writes first.
# Arguments: the ssh configuration, the image here.
set -euo pipefail
docker save "$2" | gzip | ssh -F "$1" server docker load --quiet
