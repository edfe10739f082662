"""Accounts and sign-ins: who is asking, and may they."""
