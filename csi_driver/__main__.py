"""`python -m csi_driver` is `csi-driver`."""

import sys

from csi_driver.cli import main

sys.exit(main())
