"""Prefect flows and the command line: the parts that decide what runs when."""
