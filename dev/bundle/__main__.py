"""`python -m dev.bundle`: build the folder that Lambda runs, for `make build` and for `sam build`.

`sam build` calls it through the Makefile's target `build-ApiFunction`.
"""

import argparse
import sys
from pathlib import Path

from dev.bundle.assemble import assemble
from dev.bundle.target import Architecture
from dev.bundle.verify import size_bytes, verify
from dev.paths import CHECKOUT
from dev.user_error import UserError
from dev.version import version_of


def main() -> int:
    """Build the bundle and check it. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.bundle", description="Build the folder that Lambda runs.")
    parser.add_argument("--arch", default="x86_64", help="x86_64 (default) or arm64, as in template.yaml")
    parser.add_argument("--into", type=Path, default=CHECKOUT / ".aws-sam/build/ApiFunction", help="emptied first")
    options = parser.parse_args()
    try:
        architecture = Architecture.named(options.arch)
        assemble(CHECKOUT, options.into, architecture)
        verify(options.into, architecture)
    except UserError as error:
        print(f"Bundle: {error}", file=sys.stderr)
        return 1
    megabytes = f"{size_bytes(options.into) / 1e6:.1f} MB unzipped"
    print(f"Bundle: {options.into} ({version_of(CHECKOUT)}, {architecture.name}, {megabytes})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
