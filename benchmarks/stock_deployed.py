"""The stock applications and their Lambda handlers, configured by the environment, like `backend.main`."""

from mangum import Mangum

from backend.settings import load_settings
from benchmarks.drivers import Driver
from benchmarks.stock import create_stock_app

settings = load_settings()
pg8000_app, pg8000_one_tls_context_app, psycopg_app = (create_stock_app(settings, driver) for driver in Driver)
pg8000_handler = Mangum(pg8000_app, lifespan="off")
pg8000_one_tls_context_handler = Mangum(pg8000_one_tls_context_app, lifespan="off")
psycopg_handler = Mangum(psycopg_app, lifespan="off")
