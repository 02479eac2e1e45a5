"""Search everywhere: one box that finds whatever a person may see."""
