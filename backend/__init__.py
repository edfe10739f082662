"""The todo API: everything that is deployed, and nothing else."""

__version__ = "2.0.0"
