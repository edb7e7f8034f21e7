"""What was knowable about a case, an office and an area, at a moment."""
