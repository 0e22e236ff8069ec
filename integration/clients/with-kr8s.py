"""The client `kr8s` (https://docs.kr8s.org) against a cluster; the namespace is given."""
import sys
import urllib.request

import kr8s
from checks import Checks, config_map, deployment, eventually, pod
from kr8s.objects import ConfigMap, Deployment, Pod

namespace = sys.argv[1]
check = Checks("kr8s")
api = kr8s.api(namespace=namespace)
check("version", lambda: api.version()["gitVersion"].startswith("v1."))


def make(kind, body):
    return kind({**body, "metadata": {**body["metadata"], "namespace": namespace}}, api=api)


settings = make(ConfigMap, config_map("kr8s", a="1"))
check("create", lambda: settings.create() or settings.exists())
check("get", lambda: ConfigMap.get("kr8s", namespace=namespace, api=api).data == {"a": "1"})
check("patch", lambda: settings.patch({"data": {"a": "2"}}) or settings.data == {"a": "2"})
check("label", lambda: settings.label({"color": "blue"}) or settings.labels["color"] == "blue")
check("list", lambda: [m.name for m in kr8s.get("configmaps", namespace=namespace, label_selector="color=blue", api=api)] == ["kr8s"])


def missing():
    try:
        Pod.get("nobody", namespace=namespace, api=api)
    except kr8s.NotFoundError:
        return True
    return False


check("one that is not there", missing)
web = make(Pod, pod("kr8s-web"))
check("create a pod", lambda: web.create() or web.exists())
check("wait", lambda: web.wait("condition=Ready", timeout=30) or web.ready())


def watched():
    for kind, found in kr8s.watch("pods", namespace=namespace, label_selector="app=kr8s-web", api=api):
        return kind == "ADDED" and found.name == "kr8s-web"


check("watch", watched)
check("logs", lambda: eventually(lambda: list(web.logs()) == ["begun"]))
check("exec", lambda: web.exec(["echo", "out"]).stdout == b"out\n")


# It speaks version 4 of the channels, by which input can't end: there is nothing to check of that.
check("exec: an exit code", lambda: web.exec(["sh", "-c", "exit 7"], check=False).returncode == 7)


def forward():
    with web.portforward(remote_port=8080, local_port="auto") as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/cgi-bin/hello", timeout=10) as answer:
            return b"Hello from kr8s-web" in answer.read()


check("port-forward", forward)
web_deployment = make(Deployment, deployment("kr8s-deployment", 1))
check("create a deployment", lambda: web_deployment.create() or web_deployment.exists())
check("its pods are ready", lambda: eventually(lambda: web_deployment.ready()))
check("scale", lambda: web_deployment.scale(2) or web_deployment.replicas == 2)
check("delete", lambda: web_deployment.delete() or eventually(lambda: not web_deployment.exists()))
check("delete a pod", lambda: web.delete() or eventually(lambda: not web.exists()))
check("delete a map", lambda: settings.delete() or not settings.exists())
check.end()
