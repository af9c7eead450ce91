#!/usr/bin/python@VERSION@ -I
# Its packages lie in a folder of their own, which no other program looks into.
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib" / "csid"))

from gateway.cli import main

sys.exit(main())
