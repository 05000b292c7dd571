"""Labels on the objects that FTL creates; it never touches an object without them."""

PROJECT = "ftl.project"
SERVICE = "ftl.service"
RELEASE = "ftl.release"
ROLE = "ftl.role"
CONFIG = "ftl.config"
CONTENT = "ftl.content"
COMMIT = "ftl.commit"
REPLICA = "ftl.replica"  # its number in the release, from 1
GENERATION = "ftl.generation"  # how often the release's containers were replaced by a restart, from 2
ADDED = "ftl.added"  # it joined when its release was live already
JOINED = "ftl.joined"  # GENERATION:SIZE, sets of replicas of an earlier generation that it belongs to
JOB = "ftl.job"  # its name
SCHEDULE = "ftl.schedule"  # five fields
WHEN = "ftl.when"  # schedule, time zone and timeout in seconds, for the script that cron runs
DRILL = "ftl.drill"  # a throwaway database of `ftl restore --drill`
IMAGE = "ftl.image"  # reference of a Swarm service's image, which its tasks name by ID
STOPPED = "ftl.stopped"  # number of replicas of a Swarm service that `ftl stop` has stopped
RESTART = "ftl.restart"  # the restart policy that it was created with
FOLDER = "ftl.folder"  # of its backups on the server, which a deploy has created
FILES = "ftl.files"  # a line each: folders of its files that have a nameless volume, which goes with it

SWARM_TASK = "com.docker.swarm.task.id"  # set by the engine on the containers of a Swarm service
SWARM_TASK_NAME = "com.docker.swarm.task.name"
SWARM_SERVICE = "com.docker.swarm.service.id"

ROLE_SERVICE = "service"
ROLE_DEPENDENCY = "dependency"
ROLE_PROXY = "proxy"
ROLE_STATE = "state"
ROLE_HOOK = "hook"
ROLE_RUN = "run"
ROLE_JOB = "job"
ROLE_NOTIFY = "notify"  # sends one message of the server, through apprise
ROLE_NETWORK = "network"
ROLE_VOLUME = "volume"
ROLE_TRANSFER = "transfer"
ROLE_PAUSE = "hold"  # drops new connections while the proxy is replaced
ROLE_CLUSTER = "cluster"
ROLE_CERTIFICATES = "certificates"  # likewise: those that one proxy of a cluster got
ROLE_LIVE = "live"  # a config of a Swarm: what is live, for servers that were away

CLUSTER = "ftl.cluster"
"""Label of a Swarm that `ftl setup` began; on a server's volume of this role, its node's ID."""

ENCRYPTED = "ftl.encrypted"  # of a cluster's network: true or false
NODE_HOST = "ftl.host"  # of nodes, followed by the project
NODE_ROLE = "ftl.role"
NODE_DRAINED = "ftl.drained"
NODE_JOBLESS = "ftl.jobless"
NODE_TRIED = "ftl.tried"
ANY_ROLE = "any"


def node_host(project: str) -> str:
    """Label of a node: its host in the project's ftl.yaml."""
    return f"{NODE_HOST}.{project}"


def node_drained(project: str) -> str:
    """Label of a node that takes no replicas of a project: "true" (`ftl servers drain`)."""
    return f"{NODE_DRAINED}.{project}"


def node_jobless(project: str) -> str:
    """Label of a node whose jobs another server has got while it did not answer: "true"."""
    return f"{NODE_JOBLESS}.{project}"


def node_tried(project: str) -> str:
    """Label of a node: ID of the project's network, in which its packets passed (`ftl setup`)."""
    return f"{NODE_TRIED}.{project}"


def node_role(project: str, role: str) -> str:
    """Label of a node with a role in a project; all of the project's nodes have the role `any`."""
    return f"{NODE_ROLE}.{project}.{role}"
