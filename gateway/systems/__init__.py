"""The systems of a node (服务中心、汇聚、选择 ...): thin plugins around the resolution tree."""
