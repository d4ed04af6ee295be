"""Sends bare JSON usage events with `confluent-kafka`.

    confluent.py BOOTSTRAP TOPIC
"""

import json
import sys

from confluent_kafka import Producer


def main(bootstrap, topic):
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "gzip",
                         "enable.idempotence": True})
    for number in range(1, 101):
        event = {
            "specversion": "1.0", "id": f"c-{number}", "source": "/agents/edge-1",
            "type": "dev.turnpike.usage.delta.v1", "time": "2025-10-03T12:00:00Z",
            "data": {"resource": {"kind": "instance", "id": f"c-{number % 4}"}, "owner": "t-2",
                     "used": [{"meter": "egress", "quantity": "0.5", "unit": "GB"}]},
        }
        producer.produce(topic, value=json.dumps(event).encode(), key=f"c-{number % 4}")
    if producer.flush(60):
        sys.exit("not everything was delivered")


if __name__ == "__main__":
    main(*sys.argv[1:])
