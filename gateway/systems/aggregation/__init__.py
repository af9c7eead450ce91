"""算力资源汇聚系统 (C): compute resources of providers, read where they are managed."""
