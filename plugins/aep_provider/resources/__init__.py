"""What AEP holds, one module each: a definition goes in, an id comes out. Knows no Airflow."""
