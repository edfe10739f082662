"""The schema's history, applied by the owner on the direct URL. Not part of the deployed function."""
