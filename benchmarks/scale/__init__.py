"""`make scale`: what ten million tasks cost, what grows with what, and what gives way first, into docs/scaling.md."""
