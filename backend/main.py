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
    """Replace what all copies of a SnapStart snapshot share: the random seed, and secrets that were rotated since then.

    :raises ConfigurationError: the secret cannot be read, or is not usable any more; Lambda discards this copy
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
