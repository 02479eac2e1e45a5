"""Facts: typed tables of the lake that every analysis reads, made from the mirror, the events and the spine."""
