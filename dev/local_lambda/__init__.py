"""Runs the Lambda function on this machine: `make invoke` without Docker, `sam local` with it."""
