"""What an operator sees: one logger and one way to count, both as JSON on standard output (CloudWatch)."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.base import SingleMetric

logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # 3.12: a task's name says nothing here
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "todo-api")
"""The stack, where there is one: its metrics carry it as their dimension, so that two stacks count apart."""
METRICS_NAMESPACE = "TodoApi"

# With a level of its own it does not read LOG_LEVEL, which Settings checks and `create_app` applies.
logger = Logger(service=SERVICE, level="INFO", use_rfc3339=True, utc=True)

_is_first_invocation = True


def count(event: str) -> None:
    """Count one occurrence of something an operator acts on, as an Embedded Metric Format line."""
    if os.environ.get("POWERTOOLS_METRICS_DISABLED") == "true":
        return
    metric = SingleMetric(namespace=METRICS_NAMESPACE)
    metric.add_metric(name=event, unit=MetricUnit.Count, value=1)
    metric.add_dimension(name="service", value=SERVICE)
    # In one write: `single_metric` prints the end of the line by itself, and another thread's line may come in between.
    sys.stdout.write(json.dumps(metric.serialize_metric_set(), separators=(",", ":")) + "\n")


@contextmanager
def invocation(context: Any, *, correlation_id: str | None) -> Iterator[None]:
    """Have every log line of one Lambda invocation say which one it is, and count it if it is an instance's first.

    The same keys as Powertools' `inject_lambda_context`, without its JMESPath query for the id.

    :param context: Lambda's; the runtime's or the emulator's
    :param correlation_id: API Gateway's id of the request
    """
    is_cold = _is_cold_start()
    keys = {
        "cold_start": is_cold,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "function_memory_size": context.memory_limit_in_mb,
        "function_request_id": context.aws_request_id,
        "correlation_id": correlation_id,
    }
    with logger.append_context_keys(**keys):
        if is_cold:
            count("ColdStart")
        yield


def _is_cold_start() -> bool:
    """Whether a client waits for this instance to start: not the case where it was provisioned before."""
    global _is_first_invocation  # it is the process that is cold
    was_first, _is_first_invocation = _is_first_invocation, False
    return was_first and os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "provisioned-concurrency"
