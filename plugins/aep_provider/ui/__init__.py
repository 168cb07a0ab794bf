"""The page of dataflows in Airflow: what AEP's flows do, behind Airflow's own login and permissions."""
