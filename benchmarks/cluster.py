"""A one-node cluster of its own for a benchmark: network namespace, root folder, client over the loopback port.

Everything is removed at the end. Needs root, python3 and .build/release/swiftlet.
"""
import glob
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SWIFTLET = os.environ.get("SWIFTLET", REPO + "/.build/release/swiftlet")
IMAGE = "swiftlet.example/demo:1"


def enter_namespace(name):
    """Moves this process into a network namespace, as `ip netns exec` would, but with the host's mounts."""
    with open("/run/netns/" + name) as handle:
        os.setns(handle.fileno(), os.CLONE_NEWNET) if hasattr(os, "setns") else _setns(handle.fileno())


def _setns(descriptor):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Cluster:
    def __init__(self, flags=(), store="sqlite"):
        """store: "sqlite" for the file, "etcd" for an etcd (Debian's etcd-server) in the same namespace."""
        self.work = tempfile.mkdtemp(prefix="swl-bench-")
        self.root = self.work + "/root"
        os.mkdir(self.root)
        self.netns = "swlb%d" % os.getpid()
        self.flags = list(flags)
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        enter_namespace(self.netns)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # A pair with both ends here: a dummy link is not in every kernel.
        subprocess.run(["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "beyond"], check=True)
        subprocess.run(["ip", "addr", "add", "192.0.2.2/24", "dev", "uplink"], check=True)
        for link in ("beyond", "uplink"):
            subprocess.run(["ip", "link", "set", link, "up"], check=True)
        subprocess.run(["ip", "route", "add", "default", "via", "192.0.2.1"], check=True)
        self.process = None
        self.etcd = None
        if store == "etcd":
            at = "http://127.0.0.1:2379"
            self.etcd = subprocess.Popen(
                ["etcd", "--data-dir", self.work + "/etcd", "--listen-client-urls", at, "--advertise-client-urls", at,
                 "--listen-peer-urls", "http://127.0.0.1:2380", "--logger", "zap", "--log-level", "error"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            self.flags += ["--etcd-servers", at]

    def __enter__(self):
        return self

    def start(self):
        """Starts the daemon; returns the seconds until its node was Ready."""
        started = time.monotonic()
        self.log = open(self.work + "/daemon.log", "ab")
        self.process = subprocess.Popen(
            [SWIFTLET, "up", "--root", self.root, "--node-name", "node1", "--insecure-port", "8080", *self.flags],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        while True:
            if self.process.poll() is not None:
                sys.exit("the daemon ended: " + open(self.work + "/daemon.log").read()[-2000:])
            try:
                node = Client().get("/api/v1/nodes/node1")
                if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", [])):
                    return time.monotonic() - started
            except (OSError, http.client.HTTPException, KeyError, Missing):
                pass
            if time.monotonic() - started > 60:
                sys.exit("the node did not become ready: " + open(self.work + "/daemon.log").read()[-2000:])
            time.sleep(0.005)

    def load_image(self):
        archive = self.work + "/demo.tar"
        subprocess.run([REPO + "/demo/make-image", archive], check=True)
        subprocess.run([SWIFTLET, "image", "import", "--root", self.root, archive], check=True,
                       stdout=subprocess.DEVNULL)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        if self.etcd:
            self.etcd.kill()
            self.etcd.wait()
        subprocess.run([SWIFTLET, "reset", "--root", self.root, "--yes"], stdout=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.netns])
        shutil.rmtree(self.work, ignore_errors=True)


class Missing(Exception):
    """An answer with an error status."""


class Client:
    """One keep-alive connection to the API."""

    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)

    def call(self, method, path, body=None, kind="application/json"):
        data = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, path, data, {"Content-Type": kind} if data else {})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise Missing("%s %s: %d %s" % (method, path, response.status, text[:300]))
        return text

    def get(self, path):
        return json.loads(self.call("GET", path))

    def post(self, path, body):
        return json.loads(self.call("POST", path, body))

    def delete(self, path, body=None):
        return self.call("DELETE", path, body)


class NodeSocket:
    """The node's own API, by the socket that commands on the machine use."""

    def __init__(self, cluster):
        self.path = cluster.root + "/run/swiftlet/kubelet.sock"

    def get_text(self, path):
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def get(self, path):
        return json.loads(self.get_text(path))


class Watch(threading.Thread):
    """Calls `on_event(type, object, monotonic time)` for each event of a collection."""

    def __init__(self, path, on_event):
        super().__init__(daemon=True)
        self.on_event = on_event
        self.connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=600)
        self.connection.request("GET", path + ("&" if "?" in path else "?") + "watch=true")
        self.response = self.connection.getresponse()
        self.start()

    def run(self):
        try:
            for line in self.response:
                now = time.monotonic()
                event = json.loads(line)
                self.on_event(event["type"], event["object"], now)
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # the connection was closed by `stop`

    def stop(self):
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass


def pod(name, namespace="default", grace=0):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"terminationGracePeriodSeconds": grace,
                 "containers": [{"name": "main", "image": IMAGE, "command": ["sleep", "36000"]}]}}


def file_system_note(folder):
    """What of the file system under the node's files makes figures worse than they are elsewhere; None for nothing."""
    device = os.stat(folder).st_dev
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            fields = line.split()
            after = fields[fields.index("-") + 1:]
            if fields[2] == "%d:%d" % (os.major(device), os.minor(device)) and after[0] == "ext4":
                if not glob.glob("/proc/fs/jbd2/%s-*" % os.path.basename(os.path.realpath(after[1]))):
                    return ("%s is on ext4 without a journal, which looks at every file that was removed in the last minute "
                            "before it makes one: set TMPDIR to another file system" % folder)
    return None


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def report(title, rows):
    """Prints a table of (what, value, unit) and the same as one line of JSON."""
    print("\n" + title)
    width = max(len(row[0]) for row in rows)
    for what, value, unit in rows:
        print("  %-*s %12s %s" % (width, what, ("%.3f" % value).rstrip("0").rstrip("."), unit))
    print("JSON " + json.dumps({"benchmark": title, "results": {row[0] + " [" + row[2] + "]": row[1] for row in rows}}))
