"""The stock applications and their Lambda handlers, configured by the environment, like `backend.main`."""

from mangum import Mangum

from backend.settings import load_settings
from benchmarks.stock import create_shared_tls_stock_app, create_stock_app

settings = load_settings()
app, shared_tls_app = create_stock_app(settings), create_shared_tls_stock_app(settings)
handler, shared_tls_handler = Mangum(app, lifespan="off"), Mangum(shared_tls_app, lifespan="off")
