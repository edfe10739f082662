"""The application for this process's environment: `app` for a server, `handler` for Lambda."""

from mangum import Mangum

from backend.app import create_app
from backend.settings import ConfigurationError, load_settings

try:
    app = create_app(load_settings())
except ConfigurationError as error:
    raise SystemExit(str(error)) from None  # one line that says what to set, and no traceback around it

handler = Mangum(app, lifespan="off")
