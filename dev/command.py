"""How a developer's command ends: its expected errors are one line each, without a traceback."""

import sys
from collections.abc import Callable

from dev.local_data import explain
from dev.user_error import UserError


def exit_code(act: Callable[[], object], *also: type[Exception]) -> int:
    """Run the command. Returns its exit code: 1 after an error that the developer can fix, which is printed.

    :param also: further exceptions whose text is such a line
    """
    expected: tuple[type[Exception], ...] = (UserError, *also)
    try:
        act()
    except expected as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(explain(error), file=sys.stderr)
        return 1
    return 0
