"""The client `kubernetes` (https://github.com/kubernetes-client/python) against a cluster; the namespace is given."""
import sys
import threading

from checks import Checks, config_map, deployment, eventually, pod
from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

namespace = sys.argv[1]
check = Checks("kubernetes")
config.load_kube_config()
core, apps = client.CoreV1Api(), client.AppsV1Api()

# --- CRUD
check("version", lambda: client.VersionApi().get_code().git_version.startswith("v1."))
check("create", lambda: core.create_namespaced_config_map(namespace, config_map("m", a="1")).metadata.uid)
check("read", lambda: core.read_namespaced_config_map("m", namespace).data == {"a": "1"})


def replace():
    found = core.read_namespaced_config_map("m", namespace)
    found.data = {"a": "2"}
    return core.replace_namespaced_config_map("m", namespace, found).data == {"a": "2"}


check("replace", replace)
check("patch", lambda: core.patch_namespaced_config_map("m", namespace, {"data": {"b": "3"}}).data == {"a": "2", "b": "3"})
check("list", lambda: [m.metadata.name for m in core.list_namespaced_config_map(namespace, field_selector="metadata.name=m").items] == ["m"])


def conflict():
    try:
        core.create_namespaced_config_map(namespace, config_map("m"))
    except ApiException as error:
        return error.status == 409 and error.reason == "Conflict" and "already exists" in error.body
    return False


check("a conflict", conflict)

# --- watch
seen = []


def follow():
    for event in watch.Watch().stream(core.list_namespaced_pod, namespace, label_selector="app=kubernetes-web", timeout_seconds=60):
        seen.append((event["type"], event["object"].status.phase))
        if event["object"].status.phase == "Running":
            return


follower = threading.Thread(target=follow, daemon=True)
follower.start()
check("create a pod", lambda: core.create_namespaced_pod(namespace, pod("kubernetes-web")).metadata.name)
follower.join(30)
check("watch", lambda: seen[0][0] == "ADDED" and seen[-1] == ("MODIFIED", "Running") or seen)

# --- logs, exec, port-forward
name = "kubernetes-web"
check("logs", lambda: eventually(lambda: core.read_namespaced_pod_log(name, namespace) == "begun\n"))
check(
    "exec",
    lambda: stream(core.connect_get_namespaced_pod_exec, name, namespace, command=["sh", "-c", "echo out; echo err >&2"],
                   stderr=True, stdin=False, stdout=True, tty=False) in ("out\nerr\n", "err\nout\n"))


def interactive():
    answer = stream(core.connect_get_namespaced_pod_exec, name, namespace, command=["sh"], stderr=True, stdin=True,
                    stdout=True, tty=False, _preload_content=False)
    answer.write_stdin("echo twice $((21*2))\nexit 7\n")
    text = ""
    while answer.is_open():
        answer.update(timeout=1)
        if answer.peek_stdout():
            text += answer.read_stdout()
    return text == "twice 42\n" and answer.returncode == 7


check("exec with input and an exit code", interactive)


def forward():
    tunnel = portforward(core.connect_get_namespaced_pod_portforward, name, namespace, ports="8080")
    socket = tunnel.socket(8080)
    socket.settimeout(20)
    socket.sendall(b"GET /cgi-bin/hello HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := socket.recv(4096):
        answer += piece
    return b"Hello from kubernetes-web" in answer and tunnel.error(8080) is None


check("port-forward", forward)

# --- apply
dynamic_client = dynamic.DynamicClient(client.ApiClient())
deployments = dynamic_client.resources.get(api_version="apps/v1", kind="Deployment")


def apply(replicas, manager, **options):
    return dynamic_client.server_side_apply(
        deployments, deployment("kubernetes-apply", replicas), namespace=namespace, field_manager=manager, **options)


check("apply", lambda: apply(1, "one").spec.replicas == 1)


def refused():
    try:
        apply(2, "two")
    except dynamic.exceptions.ConflictError as error:
        return "FieldManagerConflict" in str(error.body)
    return False


check("apply: a conflict", refused)
check("apply: forced", lambda: apply(2, "two", force_conflicts=True).spec.replicas == 2)
check("scale", lambda: apps.patch_namespaced_deployment_scale("kubernetes-apply", namespace, {"spec": {"replicas": 1}}).spec.replicas == 1)
check("it is rolled out", lambda: eventually(lambda: apps.read_namespaced_deployment_status("kubernetes-apply", namespace).status.available_replicas == 1))
metrics = client.CustomObjectsApi()


def uses():
    listed = metrics.list_namespaced_custom_object("metrics.k8s.io", "v1beta1", namespace, "pods")["items"]
    return [item for item in listed if item["metadata"]["name"] == name and item["containers"][0]["usage"]["memory"]]


check("metrics", lambda: eventually(uses))
check("delete", lambda: "Success" in str(apps.delete_namespaced_deployment("kubernetes-apply", namespace)))
check("delete a pod", lambda: core.delete_namespaced_pod(name, namespace).metadata.deletion_timestamp)
check("delete a collection", lambda: core.delete_collection_namespaced_config_map(namespace, field_selector="metadata.name=m").kind)
check.end()
