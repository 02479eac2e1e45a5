"""What happened with a customer, in all domains: one list, each entry with when, what, why and from where."""
