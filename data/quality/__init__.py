"""How far a record can be believed: label trust, timeliness with its denominators, what is recorded since when."""
