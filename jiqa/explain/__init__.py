"""Where, how and how much: quality maps and the report page."""
