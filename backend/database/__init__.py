"""Transactions, the errors that database failures become, role names, and the columns that tables share."""
