"""What a case is, and where rows come from."""
