"""Drivers: which behaviors and attributes go with an outcome."""
