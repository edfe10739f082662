"""Accounts, sign-ins, tokens, rate limits, and the current user of a request."""
