"""Registry clients of several languages against one mesh: what one writes, the others read.

    interop.py BINARY RUST GO NODE_MODULES JARS

BINARY is the program `meshlog`, RUST and GO the built programs of `rust/` and `go/`, NODE_MODULES and JARS are folders with what `node/` and
`java/` depend on; scripts/test-clients prepares them, and runs this with the Python that has `requirements.txt`.

Starts a mesh with a Kafka of its own, and stops it. Each client
- makes the calls of an ordinary application,
- registers the schema of `schemas/` for a topic of its own, and writes the same records in each format it knows,
- reads what each of the others wrote in these formats, and gets the same records.
Prints a table, what failed, and as its last line how much did. Exit code 1 when anything failed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient

HERE = Path(__file__).resolve().parent
SCHEMAS = HERE / "schemas"
FORMATS = ("avro", "json", "protobuf")
# Seconds. The first start of a Kafka on a machine fetches its jars.
START_LIMIT, CLIENT_LIMIT, STOP_LIMIT = 300, 180, 60
# Clients at work at the same time, besides the broker.
WORKERS = 2
# Characters shown of either end of a long failure.
SHOWN = 500

# What the formats can tell apart: null and no null, no tags and several, signs, 64 bits, letters beyond ASCII.
RECORDS = [
    {
        "sensor": f"sensor-{number} in the \N{GREEK SMALL LETTER MU}m hall",
        "sequence": number * 3_000_000_007,
        "celsius": 20.5 - number * 0.25,
        "valid": number % 2 == 0,
        "note": None if number % 3 == 0 else f"note {number}",
        "tags": ["warm", "new", "\N{SNOWMAN}"][: number % 4],
        "place": {"name": "hall", "floor": 2 - number},
    }
    for number in range(7)
]


@dataclass(frozen=True)
class Client:
    """One library under test."""

    name: str
    # produces, consumes
    program: tuple[str, ...]
    # its checks of the registry's calls: what is checked, and the command
    checks: dict[str, tuple[str, ...]]
    formats: tuple[str, ...] = FORMATS


def clients(rust, go, node, java, registry, run):
    """All clients. `java` and `node` are commands."""
    python = (sys.executable, str(HERE / "python" / "interop.py"))
    rules = (sys.executable, str(HERE / "python" / "rules.py"), registry, f"{run}-rules")
    calls = (sys.executable, str(HERE / "registry.py"), registry)

    def check(name, *program):
        return {"calls": (*program, "check", registry, f"{run}-{name}")}

    return [
        Client("python", python, {"calls": calls, "rules": rules}),
        Client("rust", (rust,), check("rust", rust), ("avro", "json")),
        Client("go", (go, "confluent"), check("go", go, "confluent")),
        Client("franz-go", (go, "franz"), check("franz-go", go, "franz")),
        Client("node", node, check("node", *node)),
        Client("java", java, check("java", *java), ("avro",)),
    ]


class Mesh:
    """`meshlog up` on free ports, in a folder that goes with it."""

    def __init__(self, binary, folder):
        self.log = folder / "up.log"
        # Nothing of the caller's settings, but for where the jars of Kafka are kept.
        kept = {"MESHLOG_KAFKA__CACHE"}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHLOG_") or k in kept}
        ports = ["--kafka-port", "0", "--http-port", "0", "--registry-port", "0"]
        self.ready = folder / "ready.json"
        self.broker = folder / "data" / "kafka" / "broker.json"
        with self.log.open("wb") as log, self.ready.open("wb") as ready:
            self.process = subprocess.Popen(
                [binary, "up", "--dir", str(folder / "data"), *ports, "-o", "json"],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=ready, stderr=log, start_new_session=True,
            )  # fmt: skip

    def addresses(self):
        """Kafka's and the registry's, once it is ready."""
        deadline = time.monotonic() + START_LIMIT
        while not (line := self.ready.read_text(encoding="utf-8")).endswith("\n"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"`meshlog up` is not ready:\n{self.log.read_text(encoding='utf-8')}")
            time.sleep(0.1)
        ready = json.loads(line)
        return ready["bootstrap_servers"], ready["registry"]

    def stop(self):
        """Stops it as a user would; where that takes too long, kills it and its Kafka."""
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            broker = json.loads(self.broker.read_text(encoding="utf-8"))
            os.kill(broker["process"]["pid"], signal.SIGKILL)


class Results:
    """What was tried, and what came of it."""

    def __init__(self):
        self.failures = {}
        self.passed = {}

    def note(self, what, failure=None):
        if failure is None:
            self.passed[what] = True
        else:
            self.failures[what] = failure

    def word(self, what):
        if what in self.failures:
            return "FAILED"
        return "ok" if what in self.passed else "-"


def run_program(command, given=""):
    """The output of a client's program, and what went wrong with it."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, encoding="utf-8", timeout=CLIENT_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        return "", f"not done within {error.timeout} s"
    failure = None
    if done.returncode != 0:
        failure = f"exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
    return done.stdout, failure


def reports(output):
    """What a program prints for each topic."""
    lines = [json.loads(line) for line in output.splitlines()]
    return {line.pop("topic"): line for line in lines}


def create_topics(bootstrap, topics):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        created.result(CLIENT_LIMIT)


def check(results, client):
    for what, command in client.checks.items():
        _, failure = run_program(command)
        results.note((what, client.name), failure)


def produce(results, client, topics, addresses):
    bootstrap, registry = addresses
    mine = {topic: kind for (name, kind), topic in topics.items() if name == client.name}
    targets = [f"{kind}:{topic}" for topic, kind in mine.items()]
    given = "".join(json.dumps(record) + "\n" for record in RECORDS)
    output, failure = run_program((*client.program, "produce", str(SCHEMAS), registry, bootstrap, *targets), given)
    found = reports(output)
    for topic, kind in mine.items():
        report = found.get(topic, {"error": failure or "nothing is said of the topic"})
        wrong = None if report == {"produced": len(RECORDS)} else report.get("error", str(report))
        results.note(("written", client.name, kind), wrong)


def consume(results, client, topics, addresses):
    """Reads the topics that could be written, in the formats that the client knows."""
    bootstrap, registry = addresses
    readable = {
        topic: (writer, kind)
        for (writer, kind), topic in topics.items()
        if kind in client.formats and ("written", writer, kind) in results.passed
    }
    targets = [f"{kind}:{topic}" for topic, (_, kind) in readable.items()]
    command = (*client.program, "consume", str(SCHEMAS), registry, bootstrap, str(len(RECORDS)), *targets)
    output, failure = run_program(command)
    found = reports(output)
    for topic, (writer, kind) in readable.items():
        report = found.get(topic, {"error": failure or "nothing is said of the topic"})
        # One partition, so the order is that of writing.
        wrong = None if report == {"values": RECORDS} else report.get("error", f"read {report.get('values')}")
        results.note((kind, writer, client.name), wrong)


def check_ids(results, topics, registry):
    """One text has one id, whoever registers it under whatever subject."""
    client = SchemaRegistryClient({"url": registry})
    for kind in ("avro", "json"):
        written = [topic for (name, k), topic in topics.items() if k == kind and ("written", name, k) in results.passed]
        ids = {topic: client.get_latest_version(f"{topic}-value").schema_id for topic in written}
        results.note(("one id", kind), None if len(set(ids.values())) == 1 else str(ids))


def show(results, everyone):
    names = [client.name for client in everyone]
    width = max(len(f"by {name}") for name in names) + 2

    def row(*cells):
        print("".join(str(cell).ljust(width) for cell in cells).rstrip())

    row("registry", "", *names)
    for what in ("calls", "rules"):
        row("", what, *(results.word((what, name)) for name in names))
    print()
    row("format", "written by", "written", *(f"by {name}" for name in names))
    for kind in FORMATS:
        for writer in names:
            cells = [results.word((kind, writer, name)) for name in names]
            row(kind, writer, results.word(("written", writer, kind)), *cells)
    print()
    for what, failure in results.failures.items():
        # Stack traces end with what went wrong in Python, and start with it elsewhere.
        shown = failure if len(failure) <= 2 * SHOWN else f"{failure[:SHOWN]}\n[...]\n{failure[-SHOWN:]}"
        print(f"FAILED {', '.join(what)}: {shown}\n")


def main():
    binary, rust, go, node_modules, jars = sys.argv[1:]
    # Ended from outside, the mesh is stopped all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    os.environ["NODE_PATH"] = node_modules
    node = ("node", str(HERE / "node" / "interop.js"))
    java = ("java", "-cp", f"{jars}/*", str(HERE / "java" / "Interop.java"))
    run = f"interop-{uuid.uuid4().hex[:8]}"
    results = Results()
    with tempfile.TemporaryDirectory(prefix="meshlog-clients-", ignore_cleanup_errors=True) as folder:
        mesh = Mesh(binary, Path(folder))
        try:
            bootstrap, registry = addresses = mesh.addresses()
            everyone = clients(rust, go, node, java, registry, run)
            topics = {(c.name, kind): f"{run}-{c.name}-{kind}" for c in everyone for kind in c.formats}
            create_topics(bootstrap, topics.values())
            # One after the other: each deletes subjects that hold the others' schemas too, and franz-go asks for every
            # subject of a schema that it registers.
            for client in everyone:
                check(results, client)
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(lambda client: produce(results, client, topics, addresses), everyone))
                list(pool.map(lambda client: consume(results, client, topics, addresses), everyone))
            check_ids(results, topics, registry)
        finally:
            mesh.stop()
    show(results, everyone)
    print(f"{len(results.passed)} passed, {len(results.failures)} failed")
    sys.exit(1 if results.failures else 0)


if __name__ == "__main__":
    main()
