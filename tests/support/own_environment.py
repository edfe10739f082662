"""The environment of the tests: what a person's shell has set for other programs does not reach them.

Importing this module changes the environment of this process, and so of all that it starts: pytest's workers, servers
and programs. tests/conftest.py imports it before the backend, which reads some variables when it is imported.
"""

import os

KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SHELL", "TERM", "NO_COLOR"),
        *("CI", "GITHUB_ACTIONS", "MAKE_PID", "PYENV_ROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
        # How to reach the package indexes, for the bundle and the frontend. Loopback needs no HTTPS.
        *("HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("NODE_EXTRA_CA_CERTS",),
        "DOCKER_HOST",  # the container engine, for `sam local`
    }
)
KEPT_PREFIXES = ("PIP_", "NPM_CONFIG_", "npm_config_", "COVERAGE_", "COV_", "PYTEST_", "HYPOTHESIS_", "SAM_ENVIRONMENT")
OWN = {"TZ": "UTC", "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}

for _name in set(os.environ) - KEPT:
    if not _name.startswith(KEPT_PREFIXES):
        del os.environ[_name]
os.environ |= OWN
