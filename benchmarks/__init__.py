"""`make bench`: measures this project and the same API without its optimisations, side by side."""
