"""Recorded runs to look at: one HTML file with all that was said, asked, judged and paid."""

from convsim_adapters.report.writing import write_report

__all__ = ["write_report"]
