"""``python -m lth_cli``."""

import sys

from lth_cli.cli import main

sys.exit(main())
