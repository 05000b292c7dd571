"""Faults under load: what kills, cuts, full disks, crashes and power cuts cost."""
