"""Outcomes: retention, survival, trial funnel, cohorts, campaigns and support."""
