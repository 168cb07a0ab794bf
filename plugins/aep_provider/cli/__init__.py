"""``airflow aep …``: what can be asked and done from a shell."""
