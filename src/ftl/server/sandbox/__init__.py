"""`ftl sandbox`: a disposable server on this machine, for first steps, CI and rehearsals."""

from ftl.server.sandbox.home import SandboxAddress, address
from ftl.server.sandbox.lifecycle import SandboxStatus, down, status, up

__all__ = ["SandboxAddress", "SandboxStatus", "address", "down", "status", "up"]
