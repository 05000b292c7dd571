"""Variables that change how the docker CLI works: no build argument is passed by one.

The names are those that the docker CLI 28.2, buildx 0.13 and their documentation have ("Environment variables" of
`docker` and "Build variables"), with those of what they stand on: Go's TLS, the loader, locales, folders, ssh.
"""

from __future__ import annotations

_DOCKER = (
    "API_VERSION AUTH_CONFIG BUILDKIT CERT_PATH CLI_DISABLE_OAUTH_LOGIN CLI_HINTS CLI_HOOKS "
    "CLI_OTEL_EXPORTER_OTLP_ENDPOINT CLI_PLUGIN_ORIGINAL_CLI_COMMAND CLI_PLUGIN_SOCKET CLI_PLUGIN_USE_DIAL_STDIO "
    "CONFIG CONTENT_TRUST CONTENT_TRUST_REPOSITORY_PASSPHRASE CONTENT_TRUST_ROOT_PASSPHRASE CONTENT_TRUST_SERVER "
    "CONTEXT CUSTOM_HEADERS DEFAULT_PLATFORM HIDE_LEGACY_COMMANDS HOST TLS TLS_VERIFY TMPDIR"
)
_BUILDX = (
    "BUILDER CONFIG CPU_PROFILE EXPERIMENTAL GIT_CHECK_DIRTY GIT_INFO GIT_LABELS MEM_PROFILE METADATA_PROVENANCE "
    "METADATA_WARNINGS NO_DEFAULT_ATTESTATIONS NO_DEFAULT_LOAD"
)
_BUILDKIT = "COLORS HOST PROGRESS TTY_LOG_LINES"
_LOADER = (  # ld.so(8)
    "ASSUME_KERNEL AUDIT BIND_NOT BIND_NOW DEBUG DEBUG_OUTPUT DYNAMIC_WEAK HWCAP_MASK LIBRARY_PATH ORIGIN_PATH "
    "POINTER_GUARD PREFER_MAP_32BIT_EXEC PRELOAD PROFILE PROFILE_OUTPUT SHOW_AUXV TRACE_LOADED_OBJECTS "
    "TRACE_PRELINKING USE_LOAD_BIAS VERBOSE WARN"
)
_LOCALE = (  # locale(7)
    "ADDRESS ALL COLLATE CTYPE IDENTIFICATION MEASUREMENT MESSAGES MONETARY NAME NUMERIC PAPER TELEPHONE TIME"
)
_FOLDERS = (
    "CACHE_HOME CONFIG_DIRS CONFIG_HOME DATA_DIRS DATA_HOME RUNTIME_DIR STATE_HOME"  # XDG Base Directory
)
_CERTIFICATES = "CERT_DIR CERT_FILE"

CLI_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"),
        *(
            f"{prefix}_{name}"
            for prefix, names in (
                ("DOCKER", _DOCKER),
                ("BUILDX", _BUILDX),
                ("BUILDKIT", _BUILDKIT),
                ("LD", _LOADER),
                ("LC", _LOCALE),
                ("XDG", _FOLDERS),
                ("SSL", _CERTIFICATES),
            )
            for name in names.split()
        ),
    }
)


SECRET_PREFIX = "FTL_BUILD_SECRET_"  # noqa: S105 -- no secret
"""Beginning of the variables by which the CLI gets build secrets.

The names that ftl.yaml gives them may be those of build arguments.
"""

_PREFIXES = (SECRET_PREFIX, "DYLD_")  # dyld(1) of each macOS has other names


def is_cli_variable(name: str) -> bool:
    """Whether the docker CLI, buildx or what they stand on reads a variable of this name."""
    return name in CLI_VARIABLES or name.startswith(_PREFIXES)
