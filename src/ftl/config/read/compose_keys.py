"""Keys of Compose: the key of ftl.yaml for each, or the reason why FTL has none.

`ftl validate` prints the hints for keys of Compose in ftl.yaml, `ftl init --from` converts Compose files by them.
"""

from __future__ import annotations

from ftl.dataclass import dataclass

VALUE, LIST, MAP = "a single value", "a list", "a mapping"


@dataclass(frozen=True, slots=True)
class ComposeKey:
    """A key of a service in a Compose file.

    Attributes:
        hint: What to write in ftl.yaml; empty where the key is one of ftl.yaml, with the same meaning.
        forms: Forms of its value by Compose's specification; empty where any form can be converted.
        dependency_hint: The hint for a dependency, where it is another one.
    """

    hint: str = ""
    forms: tuple[str, ...] = ()
    dependency_hint: str = ""


_ONE_NETWORK = "leave it out: each project has one private network"
_LINKS = "leave it out: the name of a service is its host name in the project's network"
_OTHER_PROJECT = (
    "FTL has none: reach another project by its domain, or by a port that it publishes on the server"
)
_LIMITS = "write `resources: {memory: 512m, cpus: 0.5, pids: 200}`"
_CPU_SHARE = "FTL has limits only: write `resources: {cpus: 0.5}`"
_MEMORY = "FTL has limits only: write `resources: {memory: 512m}`"
_DNS = (
    "FTL has none: the engine's resolver serves names of the project; set others in /etc/docker/daemon.json"
)
_NAMESPACE = "FTL has none: containers have their own namespaces, so that two releases can run side by side"
_SECURITY = (
    "FTL has none: containers keep Docker's defaults; `cap_add`, `devices` and `user` cover most needs"
)
_CGROUP = "FTL has none: " + _LIMITS
_TERMINAL = "leave it out: nobody is at a service's terminal; `ftl exec` and `ftl run` open one"
_WINDOWS = "FTL has none: it is for Windows containers"
_VARIABLES = "write `env`; variables of .env can be used there"

SERVICE: dict[str, ComposeKey] = {
    "annotations": ComposeKey("FTL has none: write `labels`"),
    "attach": ComposeKey("leave it out: `ftl logs SERVICE` selects services"),
    "blkio_config": ComposeKey(_CGROUP),
    "build": ComposeKey(forms=(VALUE, MAP)),
    "cap_add": ComposeKey(),
    "cap_drop": ComposeKey(),
    "cgroup": ComposeKey(_CGROUP),
    "cgroup_parent": ComposeKey(_CGROUP),
    "command": ComposeKey(forms=(VALUE, LIST)),
    "configs": ComposeKey("write `files`: `{/etc/app.conf: conf/app.conf}`"),
    "container_name": ComposeKey("leave it out: containers are named after project, service and release"),
    "cpu_count": ComposeKey(_WINDOWS),
    "cpu_percent": ComposeKey(_WINDOWS),
    "cpu_period": ComposeKey(_CPU_SHARE),
    "cpu_quota": ComposeKey(_CPU_SHARE),
    "cpu_rt_period": ComposeKey(_CPU_SHARE),
    "cpu_rt_runtime": ComposeKey(_CPU_SHARE),
    "cpu_shares": ComposeKey(_CPU_SHARE),
    "cpus": ComposeKey("write it below `resources`", (VALUE,)),
    "cpuset": ComposeKey(_CPU_SHARE),
    "credential_spec": ComposeKey(_WINDOWS),
    "depends_on": ComposeKey(
        forms=(LIST, MAP),
        dependency_hint="leave it out: dependencies start first, and `container.health_check` says when",
    ),
    "deploy": ComposeKey(
        "write `replicas` and `resources` directly below the service",
        (MAP,),
        "write `resources` directly below the dependency; there is one container of it",
    ),
    "develop": ComposeKey("leave it out: FTL deploys to servers; for development keep Compose"),
    "device_cgroup_rules": ComposeKey("write `devices`"),
    "devices": ComposeKey(),
    "dns": ComposeKey(_DNS),
    "dns_opt": ComposeKey(_DNS),
    "dns_search": ComposeKey(_DNS),
    "domainname": ComposeKey("leave it out: the name of a service is its host name"),
    "entrypoint": ComposeKey(forms=(VALUE, LIST)),
    "env_file": ComposeKey(forms=(VALUE, LIST), dependency_hint=_VARIABLES),
    "environment": ComposeKey("write `env`", (LIST, MAP)),
    "expose": ComposeKey("write `port`", (LIST,)),
    "extends": ComposeKey("write what is shared under an `x-...` key, with an anchor (`&name`, `<<: *name`)"),
    "external_links": ComposeKey(_OTHER_PROJECT),
    "extra_hosts": ComposeKey(),
    "gpus": ComposeKey("FTL has none: `devices` passes a device file of the server"),
    "group_add": ComposeKey("write `user: USER:GROUP`"),
    "healthcheck": ComposeKey(
        "write `health_check` (probed from the network), or `container.health_check` (run by Docker)",
        (MAP,),
        "write `health_check` below `container`",
    ),
    "hostname": ComposeKey(_LINKS),
    "image": ComposeKey(forms=(VALUE,)),
    "init": ComposeKey(),
    "ipc": ComposeKey(_NAMESPACE),
    "isolation": ComposeKey(_WINDOWS),
    "label_file": ComposeKey("write `labels`"),
    "labels": ComposeKey(forms=(LIST, MAP)),
    "links": ComposeKey(_LINKS),
    "logging": ComposeKey(),
    "mac_address": ComposeKey("FTL has none: containers get theirs from the engine"),
    "mem_limit": ComposeKey("write `resources: {memory: 512m}`", (VALUE,)),
    "mem_reservation": ComposeKey(_MEMORY),
    "mem_swappiness": ComposeKey(_MEMORY),
    "memswap_limit": ComposeKey(_MEMORY),
    "models": ComposeKey("FTL has none: run the model as a dependency"),
    "network_mode": ComposeKey(_ONE_NETWORK),
    "networks": ComposeKey(_ONE_NETWORK),
    "oom_kill_disable": ComposeKey("FTL has none: a container without memory would hang instead of ending"),
    "oom_score_adj": ComposeKey(_CGROUP),
    "pid": ComposeKey(_NAMESPACE),
    "pids_limit": ComposeKey("write `resources: {pids: 200}`", (VALUE,)),
    "platform": ComposeKey(
        "write it below `build`",
        (VALUE,),
        "leave it out: the image for the server's platform is pulled",
    ),
    "ports": ComposeKey(
        "write `port`, which the proxy sends requests to, or `forwards` to publish a port without the proxy",
        (LIST,),
    ),
    "post_start": ComposeKey(
        "write `hooks`: `pre` runs before the new containers start, `post` after the switch"
    ),
    "pre_stop": ComposeKey("leave it out: the app gets `stop_signal`, and `stop_timeout` to end"),
    "privileged": ComposeKey(
        "FTL has none: it would give the container the server; write `cap_add` and `devices`"
    ),
    "profiles": ComposeKey("write what differs into ftl.NAME.yaml, and use it with `ftl -e NAME`", (LIST,)),
    "provider": ComposeKey("FTL has none: run it as a dependency"),
    "pull_policy": ComposeKey("leave it out: a deploy pulls what the server lacks"),
    "read_only": ComposeKey(),
    "restart": ComposeKey(),
    "runtime": ComposeKey("FTL has none: set the engine's `default-runtime` in /etc/docker/daemon.json"),
    "scale": ComposeKey("write `replicas`", (VALUE,), "leave it out: there is one container of a dependency"),
    "secrets": ComposeKey(forms=(LIST,), dependency_hint=_VARIABLES),
    "security_opt": ComposeKey(_SECURITY),
    "shm_size": ComposeKey(),
    "stdin_open": ComposeKey(_TERMINAL),
    "stop_grace_period": ComposeKey(
        "write `stop_timeout`", (VALUE,), "leave it out: a dependency has 30 seconds to stop"
    ),
    "stop_signal": ComposeKey(),
    "storage_opt": ComposeKey("FTL has none: the engine's storage decides"),
    "sysctls": ComposeKey(),
    "tmpfs": ComposeKey(),
    "tty": ComposeKey(_TERMINAL),
    "ulimits": ComposeKey(forms=(MAP,)),
    "use_api_socket": ComposeKey(
        "mount the engine's socket with `volumes`, if the container is to control the server"
    ),
    "user": ComposeKey(),
    "userns_mode": ComposeKey(_SECURITY),
    "uts": ComposeKey(_NAMESPACE),
    "volumes": ComposeKey(forms=(LIST,)),
    "volumes_from": ComposeKey("write the same `volumes` for both"),
    "working_dir": ComposeKey(),
}
"""All keys of a service, by Compose's specification."""

SERVICE_HINTS = {name: key.hint for name, key in SERVICE.items() if key.hint}
DEPENDENCY_HINTS = SERVICE_HINTS | {
    name: key.dependency_hint for name, key in SERVICE.items() if key.dependency_hint
}

_CACHE = "leave it out: the builder's cache is used"
_OTHER_CACHE = "leave it out: the builder's cache is used; for CI runners write `cache`, a list"
_ONLY_IMAGE = "leave it out: FTL sends the image only"

BUILD_HINTS = {
    "additional_contexts": "copy what the build needs into `context`",
    "cache_from": _OTHER_CACHE,
    "cache_to": _OTHER_CACHE,
    "dockerfile_inline": "write it into a file, and name that as `dockerfile`",
    "entitlements": "FTL has none: builds run without extra rights",
    "extra_hosts": "FTL has none: builds use the builder's resolver",
    "isolation": "leave it out: it is for Windows containers",
    "labels": "leave it out: write LABEL in the Dockerfile",
    "network": "leave it out: builds use the builder's network",
    "no_cache": _CACHE,
    "privileged": "FTL has none: builds run without extra rights",
    "provenance": _ONLY_IMAGE,
    "pull": "leave it out: base images are pulled when the builder lacks them",
    "sbom": _ONLY_IMAGE,
    "shm_size": "leave it out: the builder's default is used",
    "ssh": "FTL has none: pass a deploy key as one of `secrets`",
    "tags": "leave it out: FTL names the image",
    "ulimits": "leave it out: the builder's limits are used",
}
"""For keys below `build`."""

DEPLOY_HINTS = {
    "endpoint_mode": "leave it out: the proxy shares the requests",
    "mode": "leave it out: write `replicas`",
    "placement": "leave it out: there is one server",
    "restart_policy": "leave it out: containers are always started again",
    "rollback_config": "leave it out: `ftl rollback` goes back",
    "update_config": "leave it out: new containers are healthy before old ones stop",
}
"""For keys below `deploy`."""
