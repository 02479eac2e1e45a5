"""Subscriptions: who has what from when to when, and every way in which that changes."""
