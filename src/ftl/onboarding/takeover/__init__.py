"""Take over another tool's file: each key ends in the draft, or in a report with the reason."""
