"""`ftl doctor`: find problems without changing anything, and suggest how to fix them."""

from ftl.server.doctor.finding import Area, Finding, Level
from ftl.server.doctor.report import DoctorRequest, Report, run_checks

__all__ = ["Area", "DoctorRequest", "Finding", "Level", "Report", "run_checks"]
