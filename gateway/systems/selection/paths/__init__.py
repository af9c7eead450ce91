"""算网路径: places, what is known of the latency between them, dedicated lines, ways over them."""
