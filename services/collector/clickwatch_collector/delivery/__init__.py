"""Where does an accepted message go, so that it is never lost: Kafka, or this machine's disk until Kafka is back."""
