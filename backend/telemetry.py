"""What an operator sees: one logger and one way to count, both as JSON on standard output (CloudWatch)."""

import logging

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # 3.12: a task's name says nothing here
SERVICE = "todo-api"
METRICS_NAMESPACE = "TodoApi"

logger = Logger(service=SERVICE, use_rfc3339=True, utc=True)


def count(event: str) -> None:
    """Count one occurrence of something an operator acts on, as an Embedded Metric Format line."""
    with single_metric(name=event, unit=MetricUnit.Count, value=1, namespace=METRICS_NAMESPACE) as metric:
        metric.add_dimension(name="service", value=SERVICE)
