"""Nova (versioned) and Cinder notifications for `wire.py`, as the captured ones are shaped."""

from wire import EMPTY, GIB, MIB, micros

STATES = {"shelved_offloaded": "shelved-offloaded", "soft-delete": "soft-deleted",
          "resized": "active", "rescued": "active"}
NOVA_STARTS = {"instance.create.end", "instance.resize_finish.end"}


def instant(text):
    return micros(text) if text else None


def labels(**known):
    return {name: text for name, text in known.items() if text}


def adapted(message):
    nova = message["event_type"].startswith("instance.")
    event = (nova_event if nova else cinder_event)(message)
    event["key"] = message["message_id"]
    return event


def audit_window(event, period):
    if period:
        event["kind"] = "audit"
        event["window"] = (micros(period["audit_period_beginning"]),
                           micros(period["audit_period_ending"]))


def nova_event(message):
    data, name = message["payload"]["nova_object.data"], message["event_type"]
    flavor = data["flavor"]["nova_object.data"]
    launched, seen = instant(data["launched_at"]), micros(message["timestamp"])
    gone = instant(data["terminated_at"] or data["deleted_at"])
    event = {
        **EMPTY,
        "kind": "transition",
        "resource": "openstack/instance/" + data["uuid"],
        "owner": "openstack/" + data["tenant_id"],
        "state": STATES.get(data["state"], data["state"]),
        "terminal": gone is not None or name == "instance.delete.end",
        "since": launched,
        "time": launched if name in NOVA_STARTS and launched is not None else seen,
        "held": {
            "vcpu": int(flavor["vcpus"]) * 10**6,
            "memory": int(flavor["memory_mb"]) * MIB,
            "root-disk": int(flavor["root_gb"]) * GIB,
            "ephemeral-disk": int(flavor["ephemeral_gb"]) * GIB,
            "instance": 1,
        },
        "project": data["tenant_id"],
        "attributes": labels(flavor=flavor["name"], os_type=data["os_type"],
                             availability_zone=data["availability_zone"]),
    }
    if launched is None:
        # Never ran: nothing is held.
        event["state"] = "building"
    if name == "instance.exists":
        audit_window(event, data["audit_period"]["nova_object.data"])
    if event["terminal"]:
        event["time"] = gone if gone is not None else seen
    return event


def cinder_event(message):
    data, name = message["payload"], message["event_type"]
    launched, seen = instant(data["launched_at"]), micros(message["timestamp"])
    event = {
        **EMPTY,
        "kind": "transition",
        "resource": "openstack/volume/" + data["volume_id"],
        "owner": "openstack/" + data["tenant_id"],
        "state": "active",
        "terminal": name == "volume.delete.end",
        "since": launched,
        "time": launched if name == "volume.create.end" else seen,
        "held": {"volume": int(data["size"]) * GIB},
        "project": data["tenant_id"],
        "attributes": labels(tier=data["volume_type"],
                             availability_zone=data["availability_zone"]),
    }
    if name == "volume.exists":
        audit_window(event, data)
    return event
