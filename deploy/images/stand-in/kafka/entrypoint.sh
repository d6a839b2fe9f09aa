#!/usr/bin/env bash
# KAFKA_SOME_SETTING becomes some.setting (`__` an underscore, `___` a dash), as in the public image.
set -euo pipefail

properties=/tmp/server.properties
{
  # What the public image starts with where no variable says otherwise.
  if [ -z "${KAFKA_PROCESS_ROLES:-}" ]; then
    cat <<'DEFAULTS'
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://localhost:9092
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
DEFAULTS
  fi
  [ -n "${KAFKA_LOG_DIRS:-}" ] || echo "log.dirs=/var/lib/kafka/data"
  while IFS='=' read -r -d '' name value; do
    case $name in
    KAFKA_HEAP_OPTS | KAFKA_OPTS | KAFKA_JVM_PERFORMANCE_OPTS | KAFKA_JMX_* | KAFKA_LOG4J_*) ;;
    KAFKA_*)
      key=$(sed 's/^KAFKA_//; s/___/-/g; s/__/\x01/g; s/_/./g; s/\x01/_/g' <<<"$name" | tr '[:upper:]' '[:lower:]')
      printf '%s=%s\n' "$key" "$value"
      ;;
    esac
  done < <(env -0)
} >"$properties"

java -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --ignore-formatted \
  --cluster-id="${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" --config="$properties" >/tmp/format.log 2>&1 || {
  cat /tmp/format.log >&2
  exit 1
}
# shellcheck disable=SC2086  # several options in one variable
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseSerialGC ${KAFKA_OPTS:-} \
  -Dlog4j2.configurationFile=/opt/kafka/log4j2.yaml kafka.Kafka "$properties"
