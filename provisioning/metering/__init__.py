"""Metering: usage that is consumed, reported, or counted from product events."""
