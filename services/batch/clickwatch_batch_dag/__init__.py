"""The batch layer's night in Airflow: DAG `clickstream_daily_batch`, and Airflow as a program that has it."""
