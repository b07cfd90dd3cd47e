"""Nodes under a steady load for long: do memory, handles and latency stay as they are?"""
