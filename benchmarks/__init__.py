"""`make bench`: measures what is promised, beside the plain way of doing it."""
