"""Security of every connection: what the integration user may do against what is needed, secrets, people, the drill."""
