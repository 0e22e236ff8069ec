"""The client `lightkube` (https://lightkube.readthedocs.io) against a cluster; the namespace is given."""
import sys

from checks import Checks, config_map, deployment, eventually, pod
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

namespace = sys.argv[1]
check = Checks("lightkube")
client = Client(namespace=namespace, field_manager="lightkube")

check("create", lambda: client.create(ConfigMap.from_dict(config_map("lightkube", a="1"))).metadata.uid)
check("get", lambda: client.get(ConfigMap, "lightkube").data == {"a": "1"})


def replace():
    found = client.get(ConfigMap, "lightkube")
    found.data = {"a": "2"}
    return client.replace(found).data == {"a": "2"}


check("replace", replace)
check("patch", lambda: client.patch(ConfigMap, "lightkube", {"data": {"b": "3"}}).data == {"a": "2", "b": "3"})
check("merge patch", lambda: client.patch(ConfigMap, "lightkube", {"data": {"b": None}}, patch_type=PatchType.MERGE).data == {"a": "2"})
check("list in pieces", lambda: {m.metadata.name for m in client.list(ConfigMap, chunk_size=1)} >= {"lightkube"})


def missing():
    try:
        client.get(Pod, "nobody")
    except ApiError as error:
        return error.status.code == 404 and error.status.reason == "NotFound"
    return False


check("one that is not there", missing)


def unknown():
    try:
        list(client.list(HorizontalPodAutoscaler))
    except ApiError as error:
        return error.response.status_code == 404
    return True


check("a kind that is not served", unknown)
check("create a pod", lambda: client.create(Pod.from_dict(pod("lightkube-web"))).metadata.name)
check("wait", lambda: client.wait(Pod, "lightkube-web", for_conditions=["Ready"]).status.phase == "Running")


def watched():
    for kind, found in client.watch(Pod, labels={"app": "lightkube-web"}):
        return kind == "ADDED" and found.metadata.name == "lightkube-web"


check("watch", watched)
check("logs", lambda: eventually(lambda: list(client.log("lightkube-web")) == ["begun\n"]))
check("exec", lambda: client.exec("lightkube-web", command=["echo", "out"], stdout=True).stdout == "out\n")
check("exec: an exit code", lambda: client.exec("lightkube-web", command=["sh", "-c", "exit 7"]).exit_code == 7)
check("exec with input", lambda: client.exec("lightkube-web", command=["head", "-n", "1"], stdin="typed\n", stdout=True).stdout == "typed\n")
check("apply", lambda: client.apply(Deployment.from_dict(deployment("lightkube", 1))).spec.replicas == 1)


def refused():
    try:
        client.apply(Deployment.from_dict(deployment("lightkube", 2)), field_manager="other")
    except ApiError as error:
        return error.status.code == 409 and ".spec.replicas" in error.status.message
    return False


check("apply: a conflict", refused)
check("apply: forced", lambda: client.apply(Deployment.from_dict(deployment("lightkube", 2)), field_manager="other", force=True).spec.replicas == 2)


def scale():
    found = Deployment.Scale(metadata=ObjectMeta(name="lightkube", namespace=namespace), spec={"replicas": 1})
    return client.apply(found, "lightkube", field_manager="scaler", force=True).spec.replicas == 1


check("apply a scale", scale)
check("wait for it", lambda: client.wait(Deployment, "lightkube", for_conditions=["Available"]).status.availableReplicas)
check("delete", lambda: client.delete(Deployment, "lightkube") is None)
check("delete a pod", lambda: client.delete(Pod, "lightkube-web") is None)
check("delete a collection", lambda: client.deletecollection(ConfigMap, namespace=namespace) is None)
check.end()
