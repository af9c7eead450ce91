"""`csid line`: dedicated lines 专线, and ways over them 算网路径."""
