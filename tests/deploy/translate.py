"""Translates the template named on the command line, once for each line of parameters. Runs in SAM's environment."""

import json
import logging
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse  # type: ignore[import-not-found]
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]

logging.disable()
text = Path(sys.argv[1]).read_text()
for line in sys.stdin:
    template = yaml_parse(text)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/bundle.zip"  # as `sam package` writes it
    # Like CloudFormation, this passes all parameters, as text.
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()}
    translated = Translator({}, Parser()).translate(template, defaults | json.loads(line))
    print(json.dumps(translated), flush=True)
