"""Dataflows of Adobe Experience Platform (AEP), run from Apache Airflow."""
