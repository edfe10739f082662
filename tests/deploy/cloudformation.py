"""A stand-in for AWS CloudFormation: it takes what `sam deploy` sends, checks it, and says that it is deployed.

It creates nothing. It refuses what CloudFormation would: a parameter that its pattern does not allow, and one that the
template's rules forbid.
"""

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.deploy.sam import REGION, Translator
from tests.deploy.stack import Stack

BUCKET_STACK = "aws-sam-cli-managed-default"
"""The stack in which the SAM CLI keeps the bucket for bundles (`resolve_s3`)."""

Values = Mapping[str, Any]


class Refused(Exception):
    """CloudFormation's ValidationError."""


class CloudFormation:
    """An account's stacks, behind the API's URL."""

    def __init__(self, translator: Translator, bucket: str, execute: Callable[[str, str], str]) -> None:
        """`execute` gets a stack's name and the template that was uploaded, and gives the URL of its API."""
        self.deployed: dict[str, dict[str, str]] = {}
        """The parameters of each stack, in the order of deployment."""
        self._translator = translator
        self._bucket = bucket
        self._execute = execute
        self._change_sets: dict[str, dict[str, str]] = {}
        self._urls: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: dict[str, str]) -> Values:
        """The result of one action."""
        name = request["StackName"].rpartition("stack/")[2].partition("/")[0]
        match request["Action"]:
            case "DescribeStacks":
                return {"Stacks": [self._describe(name)]}
            case "CreateChangeSet":
                self._change_sets[name] = self._checked(request)
                return {"Id": f"{_arn('changeSet', name)}", "StackId": _arn("stack", name)}
            case "DescribeChangeSet":
                change = {"Action": "Add", "LogicalResourceId": "Api", "ResourceType": "AWS::Lambda::Function"}
                changes = [{"Type": "Resource", "ResourceChange": change}]
                return {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE", "Changes": changes}
            case "ExecuteChangeSet":
                parameters = self._change_sets.pop(name)
                self._urls[name] = self._execute(name, parameters.pop("TemplateURL"))
                self.deployed[name] = parameters
                return {}
            case "DescribeStackEvents":
                return {"StackEvents": [self._event(name)]}
        raise NotImplementedError(request["Action"])

    def _checked(self, request: dict[str, str]) -> dict[str, str]:
        member = r"Parameters\.member\.(\d+)\.ParameterKey"
        keys = {found[1]: key for name, key in request.items() if (found := re.fullmatch(member, name))}
        given = {key: request.get(f"Parameters.member.{at}.ParameterValue", "") for at, key in keys.items()}
        template = self._translator.translate(given)
        for name, value in given.items():
            declared = template["Parameters"][name]
            if not re.search(declared.get("AllowedPattern", ""), value):
                raise Refused(f"Parameter {name} failed to satisfy constraint: {declared['ConstraintDescription']}")
            if value not in map(str, declared.get("AllowedValues", [value])):
                raise Refused(f"Parameter {name} must be one of AllowedValues")
        for refusal in Stack(template, given).refusals:
            raise Refused(f"Template error: rule failed: {refusal}")
        return given | {"TemplateURL": request["TemplateURL"]}

    def _describe(self, name: str) -> Values:
        stack = {"StackName": name, "StackId": _arn("stack", name), "CreationTime": _now()}
        if name == BUCKET_STACK:
            outputs = [{"OutputKey": "SourceBucket", "OutputValue": self._bucket}]
            owner = [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}]
            return {**stack, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs, "Tags": owner}
        if name not in self.deployed:
            raise Refused(f"Stack with id {name} does not exist")
        outputs = [{"OutputKey": "ApiUrl", "OutputValue": self._urls[name]}]
        return {**stack, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}

    def _event(self, name: str) -> Values:
        stack = {"StackName": name, "StackId": _arn("stack", name), "PhysicalResourceId": _arn("stack", name)}
        done = {"ResourceType": "AWS::CloudFormation::Stack", "ResourceStatus": "CREATE_COMPLETE"}
        return {**stack, **done, "LogicalResourceId": name, "EventId": _now(), "Timestamp": _now()}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                action = request["Action"]
                try:
                    status, body = 200, {f"{action}Response": {f"{action}Result": answer(request)}}
                except Refused as error:
                    status, body = 400, {"ErrorResponse": {"Error": {"Code": "ValidationError", "Message": str(error)}}}
                self.send_response(status)
                self.end_headers()
                self.wfile.write(_xml(body).encode())

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        return Handler


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:cloudformation:{REGION}:123456789012:{kind}/{name}/1be46d90-c1bc-11e9-9ee2-0a1b2c3d4e5f"


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(item)}</{name}>" for name, item in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(item)}</member>" for item in value)
    return escape(str(value))
