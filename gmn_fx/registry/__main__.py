"""`python -m gmn_fx.registry FILE` runs a reproducer again."""

import sys

from gmn_fx.registry.rerun import main

if __name__ == "__main__":
    sys.exit(main())
