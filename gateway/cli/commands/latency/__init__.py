"""`csid latency`: round trips between places 时延, measured by probes 拨测 or as a range."""
