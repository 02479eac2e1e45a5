"""Charts as positions, classes and words, which templates write as HTML and SVG. Pure: nothing here knows the database."""
