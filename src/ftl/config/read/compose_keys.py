"""Verdicts for keys of Compose that FTL does not have: what to write, or why there is none."""

from __future__ import annotations

_IN_BUILD = "write it below `build`"
_ONE_NETWORK = "leave it out: each project has one private network"
_LINKS = "leave it out: the name of a service is its host name in the project's network"
_LIMITS = "write `resources: {memory: 512m, cpus: 0.5, pids: 200}`"
_CPU_SHARE = "FTL has limits only: write `resources: {cpus: 0.5}`"
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

COMPOSE: dict[str, str] = {
    "annotations": "FTL has none: write `labels`",
    "attach": "leave it out: `ftl logs SERVICE` selects services",
    "blkio_config": "FTL has none: " + _LIMITS,
    "cgroup": _CGROUP,
    "cgroup_parent": _CGROUP,
    "configs": "write `files`: `{/etc/app.conf: conf/app.conf}`",
    "container_name": "leave it out: containers are named after project, service and release",
    "cpu_count": _WINDOWS,
    "cpu_percent": _WINDOWS,
    "cpu_period": _CPU_SHARE,
    "cpu_quota": _CPU_SHARE,
    "cpu_rt_period": _CPU_SHARE,
    "cpu_rt_runtime": _CPU_SHARE,
    "cpu_shares": _CPU_SHARE,
    "cpus": "write it below `resources`",
    "cpuset": _CPU_SHARE,
    "credential_spec": _WINDOWS,
    "deploy": "write `replicas` and `resources` directly below the service",
    "develop": "leave it out: FTL deploys to servers; for development keep Compose",
    "device_cgroup_rules": "write `devices`",
    "dns": _DNS,
    "dns_opt": _DNS,
    "dns_search": _DNS,
    "domainname": "leave it out: the name of a service is its host name",
    "environment": "write `env`",
    "expose": "write `port`",
    "extends": "write what is shared under an `x-...` key, with an anchor (`&name`, `<<: *name`)",
    "external_links": _LINKS,
    "gpus": "FTL has none: `devices` passes a device file of the server",
    "group_add": "write `user: USER:GROUP`",
    "healthcheck": "write `health_check` (probed from the network), or `container.health_check` (run by Docker)",
    "hostname": "leave it out: the name of a service is its host name in the project's network",
    "ipc": _NAMESPACE,
    "isolation": _WINDOWS,
    "label_file": "write `labels`",
    "links": _LINKS,
    "mac_address": "FTL has none: containers get theirs from the engine",
    "mem_limit": "write `resources: {memory: 512m}`",
    "mem_reservation": "FTL has limits only: write `resources: {memory: 512m}`",
    "mem_swappiness": "FTL has limits only: write `resources: {memory: 512m}`",
    "memswap_limit": "FTL has limits only: write `resources: {memory: 512m}`",
    "models": "FTL has none: run the model as a dependency",
    "network_mode": _ONE_NETWORK,
    "networks": _ONE_NETWORK,
    "oom_kill_disable": "FTL has none: a container without memory would stop without ending",
    "oom_score_adj": "FTL has none: " + _LIMITS,
    "pid": _NAMESPACE,
    "pids_limit": "write `resources: {pids: 200}`",
    "platform": _IN_BUILD,
    "ports": "write `port`, which the proxy sends requests to, or `forwards` to publish a port without the proxy",
    "post_start": "write `hooks`: `pre` runs before the new containers start, `post` after the switch",
    "pre_stop": "leave it out: the app gets `stop_signal`, and `stop_timeout` to end",
    "privileged": "FTL has none: it would give the container the server; write `cap_add` and `devices`",
    "profiles": "write what differs into ftl.NAME.yaml, and use it with `ftl -e NAME`",
    "provider": "FTL has none: run it as a dependency",
    "pull_policy": "leave it out: a deploy pulls what the server lacks",
    "runtime": "FTL has none: set the engine's `default-runtime` in /etc/docker/daemon.json",
    "scale": "write `replicas`",
    "security_opt": _SECURITY,
    "stdin_open": _TERMINAL,
    "stop_grace_period": "write `stop_timeout`",
    "storage_opt": "FTL has none: the engine's storage decides",
    "tty": _TERMINAL,
    "use_api_socket": "mount the engine's socket with `volumes`, if the container is to rule the server",
    "userns_mode": _SECURITY,
    "uts": _NAMESPACE,
    "volumes_from": "write the same `volumes` for both",
}
"""For services and dependencies alike, where `foreign_keys` says nothing else."""
