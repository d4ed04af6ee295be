"""Sends bare JSON usage events with `kafka-python`, a counter's readings among them.

    kafka_python.py BOOTSTRAP TOPIC
"""

import json
import sys

from kafka import KafkaProducer


def main(bootstrap, topic):
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all",
                             value_serializer=lambda event: json.dumps(event).encode())
    # GB read off a counter each hour; it begins again when the machine boots.
    readings = [("boot-1", 10), ("boot-1", 12), ("boot-1", 17), ("boot-2", 1), ("boot-2", 4)]
    sent = []
    for hour, (boot, reading) in enumerate(readings):
        event = {
            "specversion": "1.0", "id": f"k-{hour}", "source": "/agents/edge-2",
            "type": "dev.turnpike.usage.snapshot.v1", "time": f"2025-10-04T{hour:02}:00:00Z",
            "data": {"resource": {"kind": "instance", "id": "k-1"}, "owner": "t-3",
                     "incarnation": boot,
                     "used": [{"meter": "egress", "quantity": str(reading), "unit": "GB",
                               "cumulative": True}]},
        }
        sent.append(producer.send(topic, event))
    for future in sent:
        future.get(timeout=60)
    producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
