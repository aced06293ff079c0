"""Every query of the portal: accounts and sessions; cases and their steps; copies and results; history and notices."""
