# Removes cached layers that came with an image, and that no image of the engine has any more. Follows ftl.proxy's docker.sh
# and prelude.sh. Returns at once: the rest is done in the background, and a failure costs no more than disk space.
#
# A layer of a transfer that was cut has been in no image: it is not marked (receive.sh), and stays. So does whatever a
# transfer that is running here has received or used.
set -u

used_now() {
  for began in "$cache"/.run.*/began; do
    if [ -e "$began" ] && [ "$1" -nt "$began" ]; then return 0; fi
  done
  return 1
}

remove_unused() {
  images=$(docker images --quiet --no-trunc) || return
  layers=
  if [ "$images" ]; then
    # All images or none: the layers of one that is missing in the answer would seem unused.
    # shellcheck disable=SC2086 # IDs
    layers=$(docker image inspect --format '{{.RootFS.Layers}}' $images) || return
  fi
  find "$cache" -maxdepth 1 -type f -perm -100 -name '[0-9a-f]*-*[0-9]' | while IFS= read -r path; do
    name=${path##*/}
    case $layers in
      *"sha256:${name%-*}"*) ;;
      *) used_now "$path" || rm -f "$path" ;;
    esac
  done
}

[ -d "$cache" ] || exit 0
(
  exec < /dev/null > /dev/null 2>&1 # or ssh would wait for it
  remove_unused
) &
