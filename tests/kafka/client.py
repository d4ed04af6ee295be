"""A Kafka client that shares no code with turnpike, for the tests.

    client.py ports COUNT                      print COUNT free TCP ports of 127.0.0.1
    client.py wait BOOTSTRAP SECONDS PID       return once the broker answers a metadata request
    client.py produce BOOTSTRAP TOPIC          standard input -> records, in the order given
    client.py consume BOOTSTRAP TOPIC COUNT    the first COUNT records of a topic -> standard output
    client.py journal BOOTSTRAP TOPIC RATE     as produce, at most RATE records a second (0: all at
                                               once); prints each record with the partition and
                                               offset that the broker gave it
    client.py delete BOOTSTRAP TOPIC           delete a topic, and wait until it is gone
    client.py retain BOOTSTRAP TOPIC MS        let records of a topic age out after MS milliseconds
    client.py forget BOOTSTRAP GROUP           delete a consumer group with all its offsets
    client.py reset BOOTSTRAP GROUP TOPIC N    set a group's offset to N in every partition
    client.py marks BOOTSTRAP TOPIC            first and next offset of each partition, as JSON

A record is one JSON object on a line: "value" (text) or "value_hex" (bytes), and optionally
"key", "headers" ({name: text}) and "partition". Neither value: a tombstone.
"""

import json
import os
import socket
import sys
import time

# Room for the 10 MB message of the tests plus its protocol overhead; the broker accepts 20 MB.
MESSAGE_BYTES_MAX = 20 * 1000 * 1000
DELIVERY_SECONDS_MAX = 60


def fail(text):
    sys.exit(f"client.py: {text}")


def ports(count):
    # All are held open until the last is known, so the same one is not handed out twice.
    held = [socket.socket() for _ in range(int(count))]
    for s in held:
        s.bind(("127.0.0.1", 0))
    print(*(s.getsockname()[1] for s in held))


def wait(bootstrap, seconds, pid):
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    # The broker refuses connections while it starts; that is what we wait for, not news.
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200},
                        logger=quiet())
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            sys.exit(3)
        try:
            if admin.list_topics(timeout=0.5).brokers:
                return
        except KafkaException:
            pass
    fail(f"{bootstrap} answered no metadata request within {seconds} s")


def produce(bootstrap, topic):
    from confluent_kafka import Producer

    failed = []
    sent = 0

    def delivered(error, message):
        if error is not None:
            failed.append(f"partition {message.partition()}: {error}")

    producer = Producer({
        "bootstrap.servers": bootstrap,
        # Keeps the order of a partition when a send is retried.
        "enable.idempotence": True,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        # Errors only: a fresh broker makes the first request for a producer id wait.
        "log_level": 3,
        "message.timeout.ms": DELIVERY_SECONDS_MAX * 1000,
    })
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            extra = {}
            if "partition" in record:
                extra["partition"] = record["partition"]
            headers = [(k, v.encode()) for k, v in record.get("headers", {}).items()]
            value, key = value_of(record), record.get("key")
        except (ValueError, AttributeError) as error:
            fail(f"line {number}: {error}")
        while True:
            try:
                producer.produce(topic, value=value, key=key, headers=headers, on_delivery=delivered, **extra)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
    left = producer.flush(DELIVERY_SECONDS_MAX)
    if left or failed:
        fail(f"{topic}: {left} records undelivered, {len(failed)} refused: {failed[:3]}")
    print(sent)


def value_of(record):
    if "value_hex" in record:
        return bytes.fromhex(record["value_hex"])
    value = record.get("value")
    return None if value is None else value.encode()


def journal(bootstrap, topic, rate):
    """Says of each record where the broker put it: what the oracle compares the tables with."""
    from confluent_kafka import Producer

    lines, failed = {}, []

    def delivered(number):
        def callback(error, message):
            if error is not None:
                failed.append(str(error))
                return
            record = lines.pop(number)
            record.update(topic=topic, partition=message.partition(), offset=message.offset())
            print(json.dumps(record), flush=True)
        return callback

    producer = Producer({
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        "log_level": 2,
        "compression.type": os.environ.get("CLIENT_COMPRESSION", "none"),
        # A broker that a test takes away comes back.
        "message.timeout.ms": 3 * DELIVERY_SECONDS_MAX * 1000,
    })
    pause, due = (1 / float(rate) if float(rate) else 0), time.monotonic()
    for number, line in enumerate(sys.stdin.buffer):
        record = json.loads(line)
        lines[number] = record
        extra = {"partition": record["partition"]} if "partition" in record else {}
        headers = [(k, v.encode()) for k, v in record.get("headers", {}).items()]
        while True:
            try:
                producer.produce(topic, value=value_of(record), key=record.get("key"),
                                 headers=headers, on_delivery=delivered(number), **extra)
                break
            except BufferError:
                producer.poll(0.1)
        due += pause
        producer.poll(max(0, due - time.monotonic()))
        while time.monotonic() < due:
            producer.poll(max(0, due - time.monotonic()))
    left = producer.flush(3 * DELIVERY_SECONDS_MAX)
    if left or failed:
        fail(f"{topic}: {left} records undelivered, {len(failed)} refused: {failed[:3]}")


def admin_of(bootstrap):
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def until(what, probe):
    end = time.monotonic() + DELIVERY_SECONDS_MAX
    while not probe():
        if time.monotonic() > end:
            fail(f"{what}: not within {DELIVERY_SECONDS_MAX} s")
        time.sleep(0.05)


def delete(bootstrap, topic):
    admin = admin_of(bootstrap)
    for future in admin.delete_topics([topic]).values():
        future.result(DELIVERY_SECONDS_MAX)
    until(f"{topic} is gone", lambda: topic not in admin.list_topics(timeout=10).topics)


def retain(bootstrap, topic, milliseconds):
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

    # A segment ages out as a whole, and the one that is written to never does.
    wanted = {"retention.ms": milliseconds, "segment.ms": "500", "segment.bytes": "1048576",
              "file.delete.delay.ms": "0"}
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
               for name, value in wanted.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    admin = admin_of(bootstrap)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(DELIVERY_SECONDS_MAX)


def forget(bootstrap, group):
    admin = admin_of(bootstrap)
    for future in admin.delete_consumer_groups([group]).values():
        future.result(DELIVERY_SECONDS_MAX)


def reset(bootstrap, group, topic, offset):
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

    admin = admin_of(bootstrap)
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    wanted = [TopicPartition(topic, number, int(offset)) for number in partitions]
    request = ConsumerGroupTopicPartitions(group, wanted)
    for future in admin.alter_consumer_group_offsets([request]).values():
        future.result(DELIVERY_SECONDS_MAX)


def marks(bootstrap, topic):
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "client.py"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    found = {number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
             for number in sorted(partitions)}
    consumer.close()
    print(json.dumps([list(found[number]) for number in sorted(found)]))


def consume(bootstrap, topic, count):
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "client.py",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
    })
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    end = time.monotonic() + DELIVERY_SECONDS_MAX
    seen = 0
    while seen < int(count):
        message = consumer.poll(0.2)
        if message is None:
            if time.monotonic() > end:
                fail(f"{topic}: {seen} of {count} records within {DELIVERY_SECONDS_MAX} s")
            continue
        if message.error():
            fail(f"{topic}: {message.error()}")
        print(json.dumps(to_record(message)))
        seen += 1
    consumer.close()


def to_record(message):
    record = {"partition": message.partition(), "offset": message.offset()}
    if message.key() is not None:
        record["key"] = message.key().decode(errors="replace")
    if message.value() is not None:
        try:
            record["value"] = message.value().decode()
        except UnicodeDecodeError:
            record["value_hex"] = message.value().hex()
    if message.headers():
        record["headers"] = {k: (v or b"").decode(errors="replace") for k, v in message.headers()}
    return record


def quiet():
    import logging

    logger = logging.getLogger("quiet")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


COMMANDS = {"ports": (ports, 1), "wait": (wait, 3), "produce": (produce, 2), "consume": (consume, 3),
            "journal": (journal, 3), "delete": (delete, 2), "retain": (retain, 3),
            "forget": (forget, 2), "reset": (reset, 4), "marks": (marks, 2)}

if __name__ == "__main__":
    command, arguments = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if command is None or len(arguments) != command[1]:
        sys.exit(__doc__)
    command[0](*arguments)
