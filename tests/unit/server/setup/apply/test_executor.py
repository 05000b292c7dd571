"""Applying a setup plan: order, confirmation by a new connection, and reverting."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, LoginRefused, ServerError
from ftl.events import Note, StepFailed, StepFinished, StepUndone
from ftl.server.setup.apply.executor import apply
from ftl.server.setup.observe.login import RootLogin
from ftl.server.setup.plan import guarded, steps
from ftl.server.setup.plan.planner import SetupPlan
from ftl.ssh.local import Local
from ftl.ssh.target import Target
from tests.support.fake_machine import FakeMachine
from tests.unit.server.setup.world import BARE

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from ftl.events import Event
    from ftl.ssh.machine import Machine

DEPLOYER = Target("shop", user="deploy")
INSTALL = steps.InstallPackages(("zstd",))
FIREWALL = guarded.ApplyFirewall(b"conf", None, b"script", b"unit", ((80, "tcp"),), own_input=True)
HARDEN = guarded.HardenSsh("deploy", b"settings")
REFUSED = LoginRefused("shop does not let deploy in")
BLOCKED = ServerError("shop does not answer on port 22")
NO_DOCKER = ServerError("deploy may not use Docker on shop")

# The protocol of as_root.sh and root_shell.sh, with steps that do nothing but note their kind.
SHELL = r"""
IFS= read -r password
printf 'ftl-root\tok\t\n'
echo ftl-ready
while IFS= read -r kind; do
    IFS= read -r count
    while [ "$count" -gt 0 ]; do IFS= read -r argument; count=$((count - 1)); done
    echo "$kind" >> "$1"
    if [ "$kind" = "$2" ]; then printf 'log\tE: out of luck\n'; echo failed; else echo 'done'; fi
done
"""


class Server(Local):
    """A server whose root shell notes the kinds of its steps, and fails at one of them."""

    def __init__(self, kinds: Path, fails: str) -> None:
        super().__init__()
        self._arguments = (str(kinds), fails)

    async def start(self, argv: Sequence[str]) -> Process:
        """Start the substitute for the root shell."""
        return await super().start(["sh", "-c", SHELL, "sh", *self._arguments])


class Deployer(FakeMachine):
    """The server over a connection of the deploy user, who may use Docker, or not."""

    def __init__(self, error: ServerError | None) -> None:
        super().__init__()
        self._error = error

    async def engine_url(self) -> str:
        """The engine's URL, or the error."""
        if self._error is not None:
            raise self._error
        return await super().engine_url()


class Setup:
    """One run of `apply`.

    Attributes:
        kinds: The steps that the server ran.
        connections: Number of new connections.
        asked: For whom the SSH server was asked how to log in.
        events: Types and steps of the emitted events.
    """

    def __init__(
        self,
        folder: Path,
        *,
        outcomes: Sequence[ServerError | None] = (),
        fails: str = "",
        offered: Sequence[str | ServerError] = ("publickey",),
    ) -> None:
        """Prepare.

        Args:
            folder: For the server's notes.
            outcomes: The result of each new connection, the last for all others too: None succeeds, a LoginRefused or
                BLOCKED prevents the connection, NO_DOCKER is what the engine's URL raises.
            fails: The kind of the step that fails.
            offered: The logins that the SSH server offers, one for each time that it is asked, the last for all others;
                or that it cannot be asked.
        """
        self._notes = folder / "kinds"
        self._notes.touch()
        self._outcomes = outcomes or (None,)
        self._fails = fails
        self._offered = offered
        self.asked: list[str | None] = []
        self.connections = 0
        self.events: list[Event] = []

    @property
    def kinds(self) -> list[str]:
        """The steps that the server ran."""
        return self._notes.read_text().split()

    def of_type(self, kind: type[Event]) -> list[str]:
        """The steps of all events of a type."""
        return [getattr(event, "step", "") for event in self.events if type(event) is kind]

    def run(self, *plan: steps.SetupStep, deployer_logged_in: bool = False, hardened: bool = False) -> None:
        """Apply a plan."""
        made = SetupPlan("shop", "Debian", "deploy", plan, hardened=hardened)
        asyncio.run(self._apply(made, deployer_logged_in))

    async def _apply(self, plan: SetupPlan, deployer_logged_in: bool) -> None:
        async with Server(self._notes, self._fails) as machine:
            login = RootLogin(machine, "root", "", BARE, deployer_logged_in)
            emit = self.events.append
            await apply(plan, login, DEPLOYER, emit=emit, connect=self._connect, offered=self._offer)

    async def _offer(self, target: Target) -> tuple[str, ...]:
        self.asked.append(target.user)
        answer = self._offered[min(len(self.asked), len(self._offered)) - 1]
        if isinstance(answer, ServerError):
            raise answer
        return (answer,)

    @asynccontextmanager
    async def _connect(self, _target: Target) -> AsyncIterator[Machine]:
        outcome = self._outcomes[min(self.connections, len(self._outcomes) - 1)]
        self.connections += 1
        if outcome is not None and outcome is not NO_DOCKER:
            raise outcome
        yield Deployer(outcome)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts of a new connection follow each other at once."""
    monkeypatch.setattr("ftl.server.setup.apply.executor._PAUSE", 0)


def test_steps_run_in_their_order_and_guarded_ones_are_confirmed(tmp_path: Path) -> None:
    """One connection after the firewall's change, one after sshd's; both changes are kept."""
    setup = Setup(tmp_path)
    setup.run(INSTALL, FIREWALL, HARDEN)
    assert setup.kinds == ["install_packages", "apply_firewall", "keep", "harden_ssh", "keep"]
    assert setup.of_type(StepFinished) == ["install_packages", "apply_firewall", "harden_ssh"]
    assert setup.connections == 2


def test_a_failed_step_ends_the_plan(tmp_path: Path) -> None:
    """With the last lines of its output; no step after it runs."""
    setup = Setup(tmp_path, fails="install_packages")
    with pytest.raises(FtlError, match="could not install zstd") as caught:
        setup.run(INSTALL, FIREWALL)
    assert caught.value.cause == "out of luck"
    assert caught.value.place is not None
    assert caught.value.place.step == "install_packages"
    assert setup.kinds == ["install_packages"]
    assert setup.of_type(StepFailed) == ["install_packages"]


def test_a_change_that_blocks_new_connections_is_reverted(tmp_path: Path) -> None:
    """After a second attempt, for a server that limits the rate of connections."""
    setup = Setup(tmp_path, outcomes=[BLOCKED])
    with pytest.raises(ServerError, match="which was reverted") as caught:
        setup.run(FIREWALL, INSTALL)
    assert caught.value.cause == BLOCKED.message
    assert setup.kinds == ["apply_firewall", "revert"]
    assert (setup.of_type(StepFailed), setup.of_type(StepUndone)) == (["apply_firewall"], ["apply_firewall"])
    assert setup.connections == 2


def test_a_connection_that_succeeds_at_the_second_attempt_is_enough(tmp_path: Path) -> None:
    """The change is kept."""
    setup = Setup(tmp_path, outcomes=[BLOCKED, None])
    setup.run(FIREWALL)
    assert setup.kinds == ["apply_firewall", "keep"]


def test_an_ssh_server_that_refuses_the_user_is_not_behind_the_firewall(tmp_path: Path) -> None:
    """The firewall's change is kept, but setup fails at its end: the deploy user still cannot log in."""
    setup = Setup(tmp_path, outcomes=[REFUSED])
    with pytest.raises(LoginRefused) as caught:
        setup.run(FIREWALL)
    assert setup.kinds == ["apply_firewall", "keep"]
    assert caught.value.place is not None
    assert caught.value.place.step == "prove"


def test_other_logins_are_disabled_only_if_the_deploy_user_can_log_in(tmp_path: Path) -> None:
    """Checked before sshd is changed, and a refusal after that reverts the change."""
    before = Setup(tmp_path, outcomes=[REFUSED])
    with pytest.raises(LoginRefused):
        before.run(HARDEN)
    assert before.kinds == []

    after = Setup(tmp_path, outcomes=[None, REFUSED])
    with pytest.raises(ServerError, match="which was reverted"):
        after.run(HARDEN)
    assert after.kinds == ["harden_ssh", "revert"]


@pytest.mark.parametrize("error", [REFUSED, NO_DOCKER])
def test_a_complete_server_is_ready_only_if_the_deploy_user_can_use_it(
    tmp_path: Path, error: ServerError
) -> None:
    """Without steps a new connection is made, unless the deploy user has just logged in."""
    with pytest.raises(ServerError) as caught:
        Setup(tmp_path, outcomes=[error]).run()
    assert caught.value is error
    known = Setup(tmp_path, outcomes=[error])
    known.run(deployer_logged_in=True)
    assert known.connections == 0


def test_hardening_that_leaves_passwords_open_is_reverted(tmp_path: Path) -> None:
    """As by an sshd that no reload reaches: what its files say is not what it does."""
    setup = Setup(tmp_path, offered=["publickey", "password"])
    with pytest.raises(FtlError, match="by other means than a key") as caught:
        setup.run(HARDEN, hardened=True)
    assert "it offers password" in (caught.value.cause or "")
    assert setup.kinds == ["harden_ssh", "revert"]
    assert setup.of_type(StepUndone) == ["harden_ssh"]


def test_an_ssh_server_that_reads_its_files_late_is_asked_twice(tmp_path: Path) -> None:
    """It does so a moment after it was told; and it is asked for both users."""
    setup = Setup(tmp_path, offered=["keyboard-interactive", "publickey"])
    setup.run(HARDEN, hardened=True)
    assert setup.kinds == ["harden_ssh", "keep"]
    assert setup.asked == ["deploy", "deploy", "root"]


def test_a_refused_connection_does_not_revert_the_hardening(tmp_path: Path) -> None:
    """It is asked again, as for the connection by key; a second one reverts it. Root comes only after a good answer."""
    again = Setup(tmp_path, offered=[BLOCKED, "publickey"])
    again.run(HARDEN, hardened=True)
    assert again.kinds == ["harden_ssh", "keep"]
    assert again.asked == ["deploy", "deploy", "root"]

    gone = Setup(tmp_path, offered=["publickey", BLOCKED])
    with pytest.raises(ServerError, match="which was reverted") as caught:
        gone.run(HARDEN, hardened=True)
    assert caught.value.cause == BLOCKED.message
    assert gone.kinds[2:] == ["harden_ssh", "revert"]
    assert gone.asked == ["deploy", "root", "deploy"]


@pytest.mark.parametrize("offered", [["none"], ["publickey", "none"]])
def test_what_lets_in_without_anything_is_not_sshd(offered: list[str], tmp_path: Path) -> None:
    """As Tailscale SSH does: sshd's settings are kept, and the user is told that sshd could not be asked."""
    setup = Setup(tmp_path, offered=offered)
    setup.run(HARDEN, hardened=True)
    assert setup.kinds == ["harden_ssh", "keep"]
    assert len(setup.asked) == len(offered)
    (note,) = (event for event in setup.events if isinstance(event, Note))
    assert (note.level, "Tailscale" in note.text) == ("warning", True)


def test_a_server_that_was_hardened_before_is_asked_what_it_does(tmp_path: Path) -> None:
    """Nothing is missing by its files; without `--harden` nobody asks."""
    open_still = Setup(tmp_path, offered=["password"])
    with pytest.raises(FtlError, match="still lets deploy in"):
        open_still.run(deployer_logged_in=True, hardened=True)
    closed = Setup(tmp_path)
    closed.run(deployer_logged_in=True, hardened=True)
    assert closed.asked == ["deploy", "root"]
    unasked = Setup(tmp_path, offered=["password"])
    unasked.run(deployer_logged_in=True)
    assert unasked.asked == []
