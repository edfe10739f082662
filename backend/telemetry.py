"""Logger and metrics for operators, both as JSON lines on standard output, which CloudWatch reads."""

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

logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # since 3.12: a task's name would say nothing
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "todo-api")
"""The stack's name, where there is a stack. It is the dimension of all metrics, which keeps two stacks apart."""
METRICS_NAMESPACE = "TodoApi"

# The level is given, so that Powertools does not read LOG_LEVEL: `Settings` checks it, `create_app` applies it.
logger = Logger(service=SERVICE, level="INFO", use_rfc3339=True, utc=True)

_is_first_invocation = True


def count(event: str) -> None:
    """Count one event that an operator acts on, as a line in CloudWatch's Embedded Metric Format."""
    if os.environ.get("POWERTOOLS_METRICS_DISABLED") == "true":
        return
    metric = SingleMetric(namespace=METRICS_NAMESPACE)
    metric.add_metric(name=event, unit=MetricUnit.Count, value=1)
    metric.add_dimension(name="service", value=SERVICE)
    # In one write: `single_metric` prints the line break separately, and another thread's line may come in between.
    sys.stdout.write(json.dumps(metric.serialize_metric_set(), separators=(",", ":")) + "\n")


@contextmanager
def invocation(context: Any, *, correlation_id: str | None) -> Iterator[None]:
    """Add one Lambda invocation's ids to each of its log lines, and count it if it is a cold start.

    The keys are those of Powertools' `inject_lambda_context`, without its JMESPath query for the id.

    :param context: Lambda's context object, from the runtime or from the emulator
    :param correlation_id: API Gateway's id of the request; None for an event without one
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
    """Whether a client waited for this instance to start. With provisioned concurrency it started before."""
    global _is_first_invocation  # the whole process shares it
    was_first, _is_first_invocation = _is_first_invocation, False
    return was_first and os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "provisioned-concurrency"
