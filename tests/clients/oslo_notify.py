"""Sends notifications as Nova and Cinder do: oslo.messaging's own Notifier over its Kafka driver.

    oslo_notify.py BOOTSTRAP TOPIC      sends to TOPIC.info
"""

import sys

import oslo_messaging
from oslo_config import cfg

TENANT = "b7f1c5a2d3e44f1c8a9b0c1d2e3f4a5b"
SERVER = "5d1f0c9e-7a4b-4a52-9a39-0f6f4b1f8e11"
VOLUME = "9e0a4c52-aaaa-4bbb-8ccc-0123456789ab"


def nova(name, data):
    """Nova's versioned objects, as its own serializer writes them."""
    return {"nova_object.name": name, "nova_object.namespace": "nova",
            "nova_object.version": "1.13", "nova_object.data": data}


def server(state, **times):
    flavor = {"flavorid": "42", "name": "m1.small", "vcpus": 2, "memory_mb": 4096, "root_gb": 0,
              "ephemeral_gb": 0, "swap": 0, "rxtx_factor": 1.0, "extra_specs": {}}
    data = {"uuid": SERVER, "tenant_id": TENANT, "user_id": "3c0ffee0", "display_name": "shop-1",
            "state": state, "power_state": "running", "task_state": None, "host": "hv-07",
            "node": "hv-07", "availability_zone": "az-1", "os_type": "linux", "metadata": {},
            "ip_addresses": [], "terminated_at": None, "deleted_at": None,
            "created_at": "2025-10-01T08:00:00Z", "launched_at": "2025-10-01T08:00:12Z",
            "updated_at": "2025-10-01T08:00:12Z", "flavor": nova("FlavorPayload", flavor)}
    return nova("InstanceActionPayload", {**data, **times})


def volume(size, status, **more):
    return {"tenant_id": TENANT, "user_id": "3c0ffee0", "host": "st-01@ceph#ceph",
            "availability_zone": "az-1", "volume_type": "ssd", "volume_id": VOLUME,
            "display_name": "data", "size": size, "status": status, "snapshot_id": None,
            "created_at": "2025-10-10T00:00:00+00:00", "launched_at": "2025-10-10T00:00:00+00:00",
            "replication_status": "disabled", "volume_attachment": [], "glance_metadata": [],
            "metadata": [], **more}


def main(bootstrap, topic):
    conf = cfg.ConfigOpts()
    conf([])
    transport = oslo_messaging.get_notification_transport(conf, url=f"kafka://{bootstrap}/")
    context = {"user_id": "3c0ffee0", "project_id": TENANT, "auth_token": "gAAAAAB-secret"}

    def notifier(publisher):
        return oslo_messaging.Notifier(transport, publisher_id=publisher, driver="messagingv2",
                                       topics=[topic])

    compute = notifier("nova-compute:hv-07")
    compute.info(context, "instance.create.end", server("active"))
    compute.info(context, "instance.delete.end", server(
        "deleted", terminated_at="2025-10-01T20:00:12Z", deleted_at="2025-10-01T20:00:12Z"))
    storage = notifier("volume.st-01@ceph#ceph")
    storage.info(context, "volume.create.end", volume(10, "available"))
    storage.info(context, "volume.delete.end", volume(
        10, "deleting", deleted_at="2025-10-11T00:00:00+00:00"))
    transport.cleanup()


if __name__ == "__main__":
    main(*sys.argv[1:])
