"""Django's SQLite, with quicker turns at its one write lock."""
