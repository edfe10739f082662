"""The function on this machine as Lambda runs it: `make invoke`, `sam local`, and the runtime API under both."""
