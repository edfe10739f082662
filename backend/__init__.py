"""The todo API: everything that is deployed, and nothing else."""

__version__ = "1.0.0"
