"""`ftl doctor`: what stands between a project and its server, found by looking alone, each with what helps."""

from ftl.server.doctor.finding import Area, Finding, Level
from ftl.server.doctor.report import Examination, Patient, examine

__all__ = ["Area", "Examination", "Finding", "Level", "Patient", "examine"]
