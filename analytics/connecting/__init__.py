"""Connecting: the estimate, the one button, the first read with the newest year first, the daily sync, and what it may see."""
