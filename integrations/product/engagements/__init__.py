"""Engagements: messages, surveys and guide links for end users of a segment, and what they did with them (PX-03, PX-40)."""
