# Sets $images, the folder where an engine keeps its images. Arguments: the engine's root folder and its store.
# With the containerd store an engine uses the system's containerd if there is one, else its own.
images=$1
if [ "${2-}" = containerd ] && [ -S /run/containerd/containerd.sock ]; then images=/var/lib/containerd; fi
