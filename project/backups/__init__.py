"""Backups of a whole installation: its database and the lake's files that the database knows, as of one instant."""
