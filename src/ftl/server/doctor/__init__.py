"""`ftl doctor`: what stands between a project and its server, found by looking alone, each with what helps."""

from ftl.server.doctor.finding import Area, Finding, Level
from ftl.server.doctor.report import DoctorRequest, Report, run_checks

__all__ = ["Area", "DoctorRequest", "Finding", "Level", "Report", "run_checks"]
