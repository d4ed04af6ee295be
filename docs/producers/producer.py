"""A producer in Python: one usage event to Kafka, as a CloudEvent in structured mode.

    pip install cloudevents confluent-kafka
    python producer.py localhost:9092 usage
"""

import sys
from datetime import datetime, timezone

from cloudevents.http import CloudEvent
from cloudevents.kafka import to_structured
from confluent_kafka import Producer

bootstrap, topic = sys.argv[1:]
event = CloudEvent(
    {
        # The same event sent again keeps its id, so that it counts once.
        "id": "start-i-42-1",
        "source": "/hypervisor/kvm07",
        "type": "dev.turnpike.usage.transition.v1",
        "subject": "instance/i-42",
        "time": datetime(2026, 10, 1, 8, 0, tzinfo=timezone.utc).isoformat(),
        # The key of the record: events of one resource stay in order.
        "partitionkey": "instance/i-42",
    },
    {
        "resource": {"kind": "instance", "id": "i-42"},
        "owner": "project-7",
        "state": "active",
        "held": [
            {"meter": "vcpu", "quantity": 2},
            # A string: no digit passes through a float.
            {"meter": "memory", "quantity": "4", "unit": "GiB"},
        ],
    },
)
message = to_structured(event)


def delivered(error, _):
    if error is not None:
        sys.exit(f"not delivered: {error}")


producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
producer.produce(
    topic,
    key=message.key,
    value=message.value,
    headers=list(message.headers.items()),
    on_delivery=delivered,
)
if producer.flush(30) > 0:
    sys.exit("not delivered within 30 s")
