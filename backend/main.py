"""The application for this process's environment: `app` for a server, `handler` for Lambda."""

import os
import random
import sys

from backend.aws.cold_start import cheap_imports

with cheap_imports():
    from backend.app import create_app
    from backend.aws.handler import GatewayHandler
    from backend.settings import ConfigurationError, load_settings
    from backend.telemetry import logger

    try:
        settings = load_settings()
    except ConfigurationError as error:
        logger.critical(str(error))  # one line that says what to set, and no traceback around it
        sys.exit(1)

    app = create_app(settings)
    handler = GatewayHandler(app)


def refresh_after_restore() -> None:
    """Replace what every copy of a SnapStart snapshot would share: chance, and secrets rotated since it was taken.

    :raises ConfigurationError: the secret cannot be read, or is not usable any more; Lambda gives this copy up
    """
    random.seed()
    if settings.secret_id is not None:
        try:
            handler.app = create_app(load_settings())
        except ConfigurationError as error:
            logger.critical(str(error))
            raise


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from snapshot_restore_py import register_after_restore  # Lambda brings it

    register_after_restore(refresh_after_restore)
