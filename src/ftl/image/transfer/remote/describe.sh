# Prints the index of a cached layer, compressed by zstd. Follows prelude.sh.
# Arguments: the layer's name in the cache, and index_tar.pl.
zstd -dqc "$cache/$1" | perl -e "$2" | zstd -qc
