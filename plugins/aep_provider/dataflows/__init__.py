"""Whole dataflows: the chain of objects behind each."""
