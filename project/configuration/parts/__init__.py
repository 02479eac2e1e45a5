"""What each domain puts into the file: how its entries are read, saved and removed, always through the domain's own verbs."""
