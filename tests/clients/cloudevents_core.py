"""Sends CloudEvents with the `cloudevents` package and its Kafka binding, in binary and structured mode.

    cloudevents_core.py BOOTSTRAP TOPIC
"""

import sys
from datetime import datetime, timezone

from cloudevents.core.bindings.kafka import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Producer


def transition(number, time, data):
    return CloudEvent(
        {"id": f"ce-{number}", "source": "/agents/hv-1", "specversion": "1.0",
         "type": "dev.turnpike.usage.transition.v1", "time": time,
         "datacontenttype": "application/json", "subject": "instance/ce-1"},
        {"resource": {"kind": "instance", "id": "ce-1"}, "owner": "t-1", **data})


def main(bootstrap, topic):
    def at(hour):
        return datetime(2025, 10, 2, hour, tzinfo=timezone.utc)

    events = [
        to_binary_event(transition(
            1, at(0), {"state": "active", "held": [{"meter": "vcpu", "quantity": 4}]})),
        to_structured_event(transition(2, at(6), {"held": [{"meter": "vcpu", "quantity": 8}]})),
        to_binary_event(transition(3, at(10), {"terminal": True})),
    ]
    # A producer that is not sure sends again: the same identity.
    events.append(events[0])
    producer = Producer({"bootstrap.servers": bootstrap})
    for message in events:
        headers = [(name, value if isinstance(value, bytes) else str(value).encode())
                   for name, value in message.headers.items()]
        producer.produce(topic, value=message.value, key=message.key, headers=headers)
    if producer.flush(60):
        sys.exit("not everything was delivered")


if __name__ == "__main__":
    main(*sys.argv[1:])
