"""Healthcheck of one of Airflow's programs: what the api-server knows of its heartbeat.

`python -I -S airflow_health.py scheduler` (or dag_processor, triggerer, metadatabase); a program of Airflow's own
would take seconds of CPU to say the same. Without an answer of the api-server nobody is known to be healthy.
"""

import json
import sys
from http.client import HTTPConnection

part = sys.argv[1]
server = HTTPConnection("airflow-api-server", 8081, timeout=10)
server.request("GET", "/api/v2/monitor/health")
health = json.load(server.getresponse())[part]
print(health)
sys.exit(health["status"] != "healthy")
