"""`ftl sandbox`: a disposable server on this machine, for first steps, CI and rehearsals."""

from ftl.server.sandbox.home import SandboxAddress, addresses
from ftl.server.sandbox.lifecycle import MOST, Sandbox, down, status, up

__all__ = ["MOST", "Sandbox", "SandboxAddress", "addresses", "down", "status", "up"]
