"""What must survive: SQLite files in the station's data folder."""
