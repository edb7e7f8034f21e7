"""How likely the office fails a case, and why; where weak signals gather."""
