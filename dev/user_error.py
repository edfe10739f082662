"""The error with which a developer's command ends when the developer can fix the cause."""


class UserError(Exception):
    """One line that says what is wrong and what to do. It never contains a password."""
