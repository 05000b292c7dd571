"""Shell and Perl programs that run on a server during a transfer, over SSH.

They are constant: what varies comes as arguments and on stdin. They need what every Debian and Ubuntu has (sh, awk, GNU
head; for deltas perl, as perl-base is essential there), zstd, and the docker command. The probe finds out what is
missing; the transfer then does without it, or uses the engine's API instead.

Layers that arrive are cached, compressed, in the user's cache folder up to a limit: a transfer that is cut goes on from
there, and the next release's layers are sent as deltas to them. They leave with the last image that has them.
"""

from ftl.common.programs import program

_HERE = "ftl.image.transfer.remote"

IMAGES_FOLDER = program(_HERE, "images_folder.sh")
"""Sets `$images`, the folder of an engine's images.

Arguments: the engine's root folder and store."""

PROBE = program(_HERE, "prelude.sh", "images_folder.sh", "probe.sh")
"""Prints the server's capabilities and cached layers.

Arguments: the engine's root folder and store."""

RECEIVE = program(_HERE, "prelude.sh", "receive.sh")
"""Makes the archive of parts on stdin and feeds it to a command.

Arguments: the transfer's name, the cache's limit in bytes, `APPLY_DELTA`, the command."""

REMOVE_UNUSED = program("ftl.proxy", "scripts/docker.sh") + program(_HERE, "prelude.sh", "unused_layers.sh")
"""Removes cached layers of images that the engine no longer has.

Argument: the engine's socket."""

RELAY = program(_HERE, "prelude.sh", "relay.sh")
"""Passes a stream on to other servers, or takes it from one; `RECEIVE` makes the archive.

Arguments: "send" or "take", the engine's socket, the network, a tag, `RELAY_SEND` or `RELAY_TAKE`, `RECEIVE`, and
its arguments."""

RELAY_SEND = program(_HERE, "relay.pl", "relay_send.pl")
"""Passes the stream on from container to container, for `RELAY` with "send"."""

RELAY_TAKE = program(_HERE, "relay.pl", "relay_take.pl")
"""Takes it there, for `RELAY` with "take"."""

DESCRIBE = program(_HERE, "prelude.sh", "describe.sh")
"""Prints the index of a cached layer.

Arguments: its name in the cache, `INDEX_TAR`."""

APPLY_DELTA = program(_HERE, "apply_delta.pl")
"""Makes a layer of instructions and the base layer."""

INDEX_TAR = program(_HERE, "index_tar.pl")
"""Prints the index of a tar, for `DESCRIBE`."""
