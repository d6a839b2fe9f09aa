"""The one exception a user can do something about."""


class UserError(Exception):
    """Raised for what the person running the program can fix.

    The message is one line that names the thing, its value and the remedy.
    The command line prints it without a stack trace; a trace is for our bugs.
    """
