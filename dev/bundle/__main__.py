"""`python -m dev.bundle`, which is `make build` and, under `sam build`, the target `build-ApiFunction`."""

import argparse
import sys
from pathlib import Path

from dev.bundle.assemble import assemble
from dev.bundle.target import Architecture
from dev.bundle.verify import size_bytes, verify
from dev.user_error import UserError

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Make the bundle and check it. Gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.bundle", description=__doc__)
    parser.add_argument("--arch", default="x86_64", help="x86_64 (default) or arm64, as in template.yaml")
    parser.add_argument("--into", type=Path, default=CHECKOUT / ".aws-sam/build/ApiFunction", help="emptied first")
    chosen = parser.parse_args()
    try:
        architecture = Architecture.named(chosen.arch)
        assemble(CHECKOUT, chosen.into, architecture)
        verify(chosen.into, architecture)
    except UserError as problem:
        print(f"Bundle: {problem}", file=sys.stderr)
        return 1
    print(f"Bundle: {chosen.into} ({architecture.name}, {size_bytes(chosen.into) / 1e6:.1f} MB unzipped)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
