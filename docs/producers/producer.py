"""A producer in Python: one usage event to Kafka, as a CloudEvent in structured mode.

    pip install 'cloudevents>=2' confluent-kafka
    python producer.py localhost:9092 usage
"""

import sys
from datetime import datetime, timezone

from cloudevents.core.bindings.kafka import to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Producer

bootstrap, topic = sys.argv[1:]
event = CloudEvent(
    {
        "specversion": "1.0",
        # The same event sent again keeps its id, so that it counts once.
        "id": "start-i-43-1",
        "source": "/hypervisor/kvm07",
        "type": "dev.turnpike.usage.transition.v1",
        "subject": "instance/i-43",
        "time": datetime(2026, 10, 1, 8, 0, tzinfo=timezone.utc),
        # The key of the record: events of one resource stay in order.
        "partitionkey": "instance/i-43",
    },
    {
        "resource": {"kind": "instance", "id": "i-43"},
        "owner": "project-7",
        "state": "active",
        "held": [
            {"meter": "vcpu", "quantity": 2},
            # A string: no digit passes through a float.
            {"meter": "memory", "quantity": "4", "unit": "GiB"},
        ],
    },
)
message = to_structured(event, JSONFormat())


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
