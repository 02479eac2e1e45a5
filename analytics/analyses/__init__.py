"""Analyses: what was asked, how it is computed in a job, and the documents that pages, CSV and API show."""
