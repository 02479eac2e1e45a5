"""What happens in the org when records are saved: flows, workflow rules, outbound messages and the callouts they make."""
