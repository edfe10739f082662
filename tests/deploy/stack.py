"""A translated template as CloudFormation would create it: parameters put in, conditions decided."""

import re
from collections.abc import Callable, Mapping
from typing import Any

PSEUDO_PARAMETERS = {
    "AWS::StackName": "todo-api-test",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/todo-api-test/1be46d90-c1bc-11e9-9ee2",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()


class Stack:
    """What a template's resources and rules are for these parameters. References to resources become their names."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self.template = template
        self._names = PSEUDO_PARAMETERS | {
            name: str(parameters.get(name, parameter.get("Default", "")))
            for name, parameter in template["Parameters"].items()
        }
        self.resources: dict[str, dict[str, Any]] = {
            name: self._resolve(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }
        self.outputs: dict[str, str] = {
            name: self._resolve(output["Value"]) for name, output in template["Outputs"].items()
        }

    @property
    def refusals(self) -> list[str]:
        """Why CloudFormation would not take these parameters: the assertions of the template's rules that fail."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self._resolve(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._resolve(assertion["Assert"])
        ]

    def properties(self, name: str) -> dict[str, Any]:
        """The properties of one resource."""
        properties: dict[str, Any] = self.resources[name]["Properties"]
        return properties

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of every resource of this type, by name."""
        return {name: self.properties(name) for name, found in self.resources.items() if found["Type"] == kind}

    def only(self, kind: str) -> dict[str, Any]:
        """The properties of the one resource of this type."""
        (properties,) = self.of_type(kind).values()
        return properties

    def _condition(self, name: str) -> bool:
        return bool(self._resolve(self.template["Conditions"][name]))

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or function == "Condition" or function.startswith("Fn::"):
                return self._call(function.removeprefix("Fn::"), argument)
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return NO_VALUE if argument == "AWS::NoValue" else self._names.get(argument, argument)
            case "GetAtt":
                return argument if isinstance(argument, str) else ".".join(argument)
            case "If":
                condition, then, otherwise = argument
                return self._resolve(then if self._condition(condition) else otherwise)
            case "Condition":
                return self._condition(argument)
            case "Sub":
                text, names = (argument, {}) if isinstance(argument, str) else argument
                given = self._names | self._resolve(names)
                return re.sub(r"\$\{([\w:.]+)}", lambda found: str(given.get(found[1], found[1])), text)
        return FUNCTIONS[function](*self._resolve(argument))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Equals": lambda one, other: str(one) == str(other),
    "Not": lambda condition: not condition,
    "And": lambda *conditions: all(conditions),
    "Or": lambda *conditions: any(conditions),
    "Join": lambda separator, items: separator.join(items),
    "Split": lambda separator, joined: joined.split(separator),
    "Select": lambda index, items: items[int(index)],
}
"""Of CloudFormation's functions those that see only their arguments."""
