"""The folder that Lambda runs: the backend and what it imports, with bytecode, and nothing else."""
