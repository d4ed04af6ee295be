"""OpenStack notifications for `wire.py`, as the captured ones are shaped."""

from wire import EMPTY, GIB, MIB, Unreadable, micros

STATES = {"shelved_offloaded": "shelved-offloaded", "soft-delete": "soft-deleted",
          "resized": "active", "rescued": "active"}
NOVA_STARTS = {"create.end", "resize_finish.end"}
NOVA_OLD_NAMES = {"finish_resize.end": "resize_finish.end", "resize.confirm.end": "resize_confirm.end",
                  "resize.revert.end": "resize_revert.end"}
HOUR, DAY = 3_600_000_000, 86_400_000_000


def instant(text):
    return micros(text) if text else None


def labels(**known):
    return {name: text for name, text in known.items() if text}


def second(time):
    return time // 1_000_000


def about(kind, resource, tenant, time, **more):
    """An event about one resource; whoever holds it is also its project."""
    return {**EMPTY, "kind": kind, "resource": f"openstack/{resource}", "time": time,
            "owner": tenant and f"openstack/{tenant}", "project": tenant, **more}


def unmetered(message):
    return [{**EMPTY, "kind": "transition", "time": micros(message["timestamp"])}]


def adapted(message):
    """The events of a notification: always at least one, and one of nothing where nobody bills it."""
    name = message["event_type"]
    service, read = next(reader for starts, *reader in READERS if name.startswith(starts))
    events = read(message, name) or unmetered(message)
    for event in events:
        event["key"] = f"/openstack/{service}\x1f" + event.pop("id", message["message_id"])
    return events


def audited(event, period, gone):
    event["kind"] = "audit"
    event["window"] = (micros(period["audit_period_beginning"]), micros(period["audit_period_ending"]))
    event["terminal"] = gone is not None
    if gone is not None:
        event["time"] = gone
    return event


# --- Nova ----------------------------------------------------------------------------------------


def nova(message, name):
    if name == "volume.usage":
        return volume_usage(message)
    action = name.removeprefix("compute.").removeprefix("instance.")
    action = NOVA_OLD_NAMES.get(action, action)
    if not action.endswith(".end") and action != "exists":
        return None
    payload = message["payload"]
    data = payload.get("nova_object.data", payload)
    flavor = data["flavor"]["nova_object.data"] if "flavor" in data else data
    server = data.get("uuid") or data["instance_id"]
    launched, seen = instant(data["launched_at"]), micros(message["timestamp"])
    gone = instant(data["terminated_at"] or data["deleted_at"])
    event = about(
        "transition", "instance/" + server, data["tenant_id"], seen,
        state="building" if launched is None else STATES.get(data["state"], data["state"]),
        terminal=gone is not None or action == "delete.end", since=launched,
        held={"vcpu": int(flavor["vcpus"]) * 10**6, "memory": int(flavor["memory_mb"]) * MIB,
              "root-disk": int(flavor["root_gb"]) * GIB,
              "ephemeral-disk": int(flavor["ephemeral_gb"]) * GIB, "instance": 1},
        attributes=labels(flavor=flavor.get("name") or data.get("instance_type"),
                          os_type=data["os_type"], availability_zone=data["availability_zone"]))
    if action in NOVA_STARTS and launched is not None:
        event["time"] = launched
    which = message.get("_context", {}).get("request_id") or data.get("request_id")
    if action == "exists":
        period = data.get("audit_period", {}).get("nova_object.data", data)
        audited(event, period, gone)
        which = tuple(map(second, event["window"]))
    elif event["terminal"]:
        event["time"] = gone if gone is not None else seen
    form = "versioned" if data is not payload else "legacy"
    event["twin"] = which and ((event["resource"], action, which), form)
    return [event, *bandwidth(event, data)]


def bandwidth(audit, data):
    """What older releases counted over a whole period, to and from public networks."""
    moved = (data.get("bandwidth") or {}).get("public", {})
    used = [(meter, int(moved[key]), False)
            for meter, key in (("egress", "bw_out"), ("ingress", "bw_in")) if key in moved]
    if not any(quantity for _, quantity, _ in used) or audit["window"] is None:
        return
    start, end = audit["window"]
    if end - start in (HOUR, DAY) or (end - start) % DAY == 0 and 28 <= (end - start) // DAY <= 31:
        yield {**EMPTY, "id": f"{audit['resource']}/bandwidth/{start}/{end}", "kind": "delta",
               "resource": audit["resource"], "owner": audit["owner"], "project": audit["project"],
               "window": (start, end), "time": end - 1, "used": used}


def volume_usage(message):
    payload = message["payload"]
    data = payload.get("nova_object.data", payload)
    time = micros(data["last_refreshed"])
    event = about(
        "snapshot", "volume/" + data["volume_id"], data.get("tenant_id") or data["project_id"], time,
        used=[("disk-ops", int(data["reads"]) + int(data["writes"]), True),
              ("disk-io", int(data["read_bytes"]) + int(data["write_bytes"]), True)])
    form = "versioned" if data is not payload else "legacy"
    event["twin"] = ((event["resource"], "volume.usage", second(time)), form)
    return [event]


# --- Cinder --------------------------------------------------------------------------------------


def cinder(message, name):
    family, _, action = name.partition(".")
    if not action.endswith(".end") and action not in ("exists", "retype"):
        return None
    data, seen = message["payload"], micros(message["timestamp"])
    created, launched = instant(data.get("created_at")), instant(data.get("launched_at"))
    began = created if launched is None else launched
    first, last = (instant(data.get(f"audit_period_{end}")) for end in ("beginning", "ending"))
    resent = first is not None and first == last
    event = about(
        "transition", f"{family}/" + data[f"{family}_id"], data["tenant_id"], seen, state="active",
        since=began, held={family: int(data["volume_size" if family == "snapshot" else "size"]) * GIB},
        attributes=labels(tier=data.get("volume_type"),
                          availability_zone=data["availability_zone"]))
    if action == "exists":
        deleted = data["status"] == "deleted" or data.get("deleted") == "True"
        return [audited(event, data, last if deleted else None)]
    if action in ("resize.end", "retype", "transfer.accept.end"):
        event["since"] = None
    if action == "create.end":
        event["time"] = began
    if action == "delete.end":
        event["terminal"] = True
        event["time"] = first if resent else seen
    if action in ("create.end", "delete.end"):
        event["twin"] = ((event["resource"], action, second(created)), "resent" if resent else "live")
    return [event]


# --- The others ----------------------------------------------------------------------------------


def neutron(message, name):
    data, seen = message["payload"], micros(message["timestamp"])
    if name == "l3.meter":
        return traffic(message, data)
    if name not in (f"floatingip.{action}.end" for action in ("create", "update", "delete")):
        return None
    address = data.get("floatingip", {})
    created, gone = instant(address.get("created_at")), name == "floatingip.delete.end"
    address_id = address.get("id") or data["floatingip_id"]
    return [about("transition", "public-ip/" + address_id, address.get("tenant_id"),
                  created if name == "floatingip.create.end" and created is not None else seen,
                  state="active", terminal=gone, since=created, held={"public-ip": 1})]


def traffic(message, data):
    quantity, end = int(data["bytes"]), int(data["last_update"]) * 1_000_000
    if quantity == 0:
        return None
    start, direction = end - int(data["time"]) * 1_000_000, data.get("direction", "egress")
    return [about("delta", "metering-label/" + data["label_id"], data["tenant_id"],
                  max(end - 1, start), window=(start, end), used=[(direction, quantity, False)],
                  attributes={"direction": direction},
                  id="/".join((data["label_id"], data["first_update"], data["last_update"],
                               data["host"])))]


def swift(message, name):
    data = message["payload"]
    if name == "telemetry.polling":
        return [about("snapshot", "object-account/" + sample["resource_id"], sample["project_id"],
                      micros(sample["timestamp"]), state="active", id=sample["message_id"],
                      held={"object-storage": int(sample["counter_volume"])})
                for sample in data["samples"] if sample["counter_name"] == "storage.objects.size"]
    if data["outcome"] != "success":
        return [{**unmetered(message)[0], "id": data["id"]}]
    account = data["target"]["id"].removeprefix("AUTH_")
    used = [("requests", 1, False)]
    for measured in data.get("measurements", []):
        if measured["metric"]["unit"] != "B":
            raise Unreadable(measured["metric"]["unit"])
        outgoing = measured["metric"]["name"] == "storage.objects.outgoing.bytes"
        used.append(("egress" if outgoing else "ingress", int(measured["result"]), False))
    payer = data["initiator"]["project_id"] or account
    return [about("delta", "object-requests/" + account, payer, micros(data["eventTime"]), used=used,
                  attributes={"op": data["target"]["action"].lower()}, id=data["id"])]


def glance(message, name):
    data, seen = message["payload"], micros(message["timestamp"])
    if name == "image.send":
        return [about("delta", "image/" + data["image_id"], data["owner_id"], seen,
                      used=[("egress", int(data["bytes_sent"]), False)],
                      attributes={"traffic": "image"})]
    if name == "image.exists":
        return [audited({**image(row, data["owner"], seen), "since": instant(row["created_at"]),
                         "id": message["message_id"] + "/" + row["id"]},
                        data, instant(row["deleted_at"]))
                for row in data["images"]]
    event = image(data, data["owner"], seen)
    if name == "image.delete":
        event["terminal"] = True
        event["time"] = instant(data["deleted_at"]) or seen
    return [event]


def image(data, tenant, time):
    waits = data["status"] in ("queued", "saving")
    size = {} if data["size"] is None else {"image": int(data["size"])}
    return about("transition", "image/" + data["id"], tenant, time, held=size,
                 state="building" if waits else "active",
                 attributes=labels(disk_format=data.get("disk_format")))


def octavia(message, name):
    data, created = message["payload"], instant(message["payload"].get("created_at"))
    starts = name == "octavia.loadbalancer.create.end" and created is not None
    return [about("transition", "load-balancer/" + (data.get("loadbalancer_id") or data["id"]),
                  data["project_id"], created if starts else micros(message["timestamp"]),
                  state="active" if data.get("enabled", True) else "stopped", since=created,
                  terminal=name == "octavia.loadbalancer.delete.end", held={"load-balancer": 1},
                  attributes=labels(provider=data.get("provider"), flavor=data.get("flavor_id"),
                                    availability_zone=data.get("availability_zone")))]


def trove(message, name):
    action = name.removeprefix("trove.instance.")
    if action not in ("create", "modify_flavor", "modify_volume", "delete", "exists"):
        return None
    data, seen = message["payload"], micros(message["timestamp"])
    own_time = {"create": "launched_at", "delete": "deleted_at"}.get(action, "modify_at")
    held = {"db-instance": 1}
    if data.get("volume_size"):
        held["db-storage"] = int(data["volume_size"]) * GIB
    event = about("transition", "db-instance/" + data["instance_id"], data["tenant_id"],
                  instant(data.get(own_time)) or seen, terminal=action == "delete", held=held,
                  state={"shutdown": "stopped", "build": "building"}.get(data["state"].lower(), "active"),
                  since=None if action.startswith("modify") else instant(data["launched_at"]),
                  attributes=labels(flavor=data.get("instance_type"), datastore=data["service_id"],
                                    availability_zone=data.get("availability_zone")))
    return [audited({**event, "time": seen}, data, None)] if action == "exists" else [event]


READERS = [
    (("volume.usage", "instance.", "compute.instance."), "nova", nova),
    (("volume.", "snapshot.", "backup."), "cinder", cinder),
    (("floatingip.", "l3.", "router."), "neutron", neutron),
    (("objectstore.", "telemetry.polling"), "swift", swift),
    (("image.",), "glance", glance),
    (("octavia.",), "octavia", octavia),
    (("trove.", "dbaas."), "trove", trove),
]
