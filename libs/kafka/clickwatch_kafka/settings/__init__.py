"""What a deployment says of its Kafka, checked once, and in the names that each kind of client has for it."""
