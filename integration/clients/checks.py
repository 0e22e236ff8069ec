"""What the clients' tests share: lines as integration/lib.sh prints them, and the pod that they all talk to."""
import sys
import time
import traceback

IMAGE = "swiftlet.example/demo:1"


class Checks:
    def __init__(self, client):
        self.client = client
        self.failed = False

    def __call__(self, name, body):
        """One check: passes where the body returns something true."""
        try:
            result = body()
            if result:
                print(f"ok {self.client}: {name}", flush=True)
                return result
            why = f"got {result!r}"
        except Exception as error:  # whatever a client throws is a finding
            why = f"{type(error).__name__}: {error}".replace("\n", " ")[:400]
            traceback.print_exc()
        self.failed = True
        print(f"not ok {self.client}: {name}: {why}", flush=True)
        return None

    def end(self):
        sys.exit(1 if self.failed else 0)


def eventually(body, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        result = body()
        if result or time.monotonic() > deadline:
            return result
        time.sleep(0.05)


def pod(name):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "web",
                    "image": IMAGE,
                    "command": ["/bin/sh", "-c", "echo begun; exec httpd -f -p 8080 -h /www"],
                    "ports": [{"containerPort": 8080}],
                }
            ],
        },
    }


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name, replicas):
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": IMAGE, "command": ["sleep", "3600"]}],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }
