"""One network of nodes: the register of nodes, cuts and their filing, receipts."""
