"""What Prometheus is told of a node, read from its parts at each scrape.

Every label has its values from the code or from the configuration: no client can add one.
"""
