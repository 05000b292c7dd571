"""`ftl sandbox`: a throwaway server on this machine, for a first try, for CI and for rehearsals."""

from ftl.server.sandbox.home import SandboxAddress, address
from ftl.server.sandbox.lifecycle import SandboxStatus, down, status, up

__all__ = ["SandboxAddress", "SandboxStatus", "address", "down", "status", "up"]
