"""What stops a developer's command in a way that the developer can mend."""


class UserError(Exception):
    """One line for a person: what is wrong and what to do. Never holds a password."""
