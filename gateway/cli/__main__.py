"""`python -m gateway.cli` is the `csid` command."""

from gateway.cli import main

raise SystemExit(main())
