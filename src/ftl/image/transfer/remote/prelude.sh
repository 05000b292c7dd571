# Common beginning of the scripts that a transfer runs on a server. Sets $cache, the folder of cached layers.
# They parse what tools print and list there, so that must not depend on the user's language and settings.
export LC_ALL=C
unset TIME_STYLE PERL_UNICODE PERL5OPT PERL5LIB PERLIO
umask 077
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ftl/layers"
