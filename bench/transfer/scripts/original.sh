#!/bin/bash
# The original FTL's way: save, untar, copy the blobs that a folder on the server lacks, and load all of that folder.
# Arguments: the ssh configuration, the image here.
set -euo pipefail
config=$1 image=$2
folder=$(mktemp -d)
trap 'ssh -F "$config" -O exit server 2> /dev/null; rm -rf "$folder"' EXIT
ssh -F "$config" -M -o ControlPersist=60 server docker image inspect "$image" > "$folder/there" 2> /dev/null || true
docker image inspect "$image" > "$folder/here"
if cmp -s <(grep '"Id"' "$folder/here") <(grep '"Id"' "$folder/there"); then exit 0; fi

docker save --output "$folder/image.tar" "$image"
mkdir "$folder/image"
tar -xf "$folder/image.tar" -C "$folder/image"
cd "$folder/image"
if [ ! -d blobs ]; then
    # Engines before 25 save no blobs: give each layer the name that they would, which the engine knows.
    mkdir -p blobs/sha256
    config_name=$(sed 's/.*"Config":"\([^"]*\)".*/\1/' manifest.json)
    mv "$config_name" "blobs/sha256/${config_name%.json}"
    sed -i "s|$config_name|blobs/sha256/${config_name%.json}|" manifest.json
    sed 's/.*"Layers":\[\([^]]*\)\].*/\1/' manifest.json | tr -d '"' | tr , '\n' > "$folder/paths"
    docker image inspect --format '{{range .RootFS.Layers}}{{println .}}{{end}}' "$image" | grep . > "$folder/layers"
    while read -r path layer; do
        blob=blobs/sha256/${layer#sha256:}
        if [ ! -e "$blob" ]; then mv "$path" "$blob"; fi
        sed -i "s|$path|$blob|" manifest.json
    done < <(paste -d ' ' "$folder/paths" "$folder/layers")
fi
# shellcheck disable=SC2012 # digests: no other characters
ls blobs/sha256 | sort > "$folder/wanted"
ssh -F "$config" server 'mkdir -p bench/store/blobs/sha256 && ls bench/store/blobs/sha256' | sort > "$folder/known"
comm -23 "$folder/wanted" "$folder/known" > "$folder/missing"
documents=(manifest.json)
for name in index.json oci-layout; do if [ -e "$name" ]; then documents+=("$name"); fi; done
scp -q -F "$config" "${documents[@]}" server:bench/store/
if [ -s "$folder/missing" ]; then
    # shellcheck disable=SC2016 # the inner shell expands it
    (cd blobs/sha256 && xargs -a "$folder/missing" sh -c 'scp -q -F "$0" "$@" server:bench/store/blobs/sha256/' "$config")
fi
ssh -F "$config" server 'cd bench/store && tar -cf - . | docker load --quiet'
