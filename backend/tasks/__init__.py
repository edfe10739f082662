"""Tasks. Each user has their own, and reaches no others."""
