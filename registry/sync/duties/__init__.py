"""What a node owes the others of its network by its role, carried by the sync process."""
