"""Dataflows as code. Knows no Airflow."""
