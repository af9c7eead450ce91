"""算力选择系统 (D): the compute that a demand needs, found, ranked and reached."""
