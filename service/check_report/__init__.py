"""What a check found, told: as JSON, on the terminal and as one page that opens from disk."""
