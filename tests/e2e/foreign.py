#!/usr/bin/python3
"""A worker that is not ours: written against proto/lps.proto alone, it registers and drives a whole session."""
import hashlib
import itertools
import json
import queue
import shutil
import subprocess
import sys
import threading
import time
import uuid

from lps import ROOT, Skip, main, test, until

PLAN = {"name": "Foreign", "rounds": [{"name": "r", "numberOfClients": 1, "iterations": [
    {"name": "i", "mode": "R", "requestCount": 30, "httpRequest": {"url": "http://127.0.0.1:9/", "method": "GET"}}]}]}


def stubs(t):
    """Modules generated from the proto file."""
    plugin = shutil.which("grpc_python_plugin")
    try:
        import grpc
    except ImportError:
        raise Skip("no python3-grpcio (grpcio)") from None
    if not plugin:
        raise Skip("no grpc_python_plugin (grpcio)")
    subprocess.run(["protoc", f"--proto_path={ROOT}/proto", f"--python_out={t.dir}", f"--grpc_python_out={t.dir}",
                    f"--plugin=protoc-gen-grpc_python={plugin}", "lps.proto", "health.proto"], check=True)
    sys.path.insert(0, t.dir)
    try:
        for name in ("lps_pb2", "lps_pb2_grpc", "health_pb2", "health_pb2_grpc"):
            sys.modules.pop(name, None)
        import health_pb2
        import health_pb2_grpc
        import lps_pb2
        import lps_pb2_grpc
    finally:
        sys.path.remove(t.dir)
    return grpc, lps_pb2, lps_pb2_grpc, health_pb2, health_pb2_grpc


class Session:
    """One stream; answers are sorted by their kind."""

    def __init__(self, grpc, pb, pb_grpc, port, node):
        self.pb, self.out, self.got, self.end = pb, queue.Queue(), [], None
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stream = pb_grpc.ClusterStub(self.channel).Session(iter(self.out.get, None))
        self.thread = threading.Thread(target=self._read, args=(grpc,), daemon=True)
        self.thread.start()
        self.send(hello=pb.Hello(node=node, instance=uuid.uuid4().bytes, version="0", cpus=1))

    def _read(self, grpc):
        try:
            for message in self.stream:
                self.got.append(message)
            self.end = grpc.StatusCode.OK
        except grpc.RpcError as error:
            self.end = error.code()

    def send(self, **body):
        self.out.put(self.pb.WorkerMessage(**body))

    def await_answer(self, kind, fits=lambda message: True, seconds=10):
        def look():
            assert self.end is None, f"the stream ended: {self.end}"
            return next((m for m in map(lambda m: getattr(m, kind), filter(lambda m: m.WhichOneof("body") == kind, list(self.got)))
                         if fits(m)), None)
        return until(f"the master sends {kind}", look, seconds)

    def measure_clock(self):
        n, rtt, error = 0, 0, 0
        for n in range(8):
            t1 = time.monotonic_ns()
            self.send(clock=self.pb.ClockPing(t1_ns=t1, n_samples=n, rtt_ns=rtt, error_ns=error))
            pong = self.await_answer("clock", lambda m, t1=t1: m.t1_ns == t1)
            rtt = time.monotonic_ns() - t1 - (pong.t3_ns - pong.t2_ns)
            error = rtt // 2 + 1
            assert pong.t3_ns >= pong.t2_ns > 0
        self.send(clock=self.pb.ClockPing(t1_ns=time.monotonic_ns(), n_samples=n + 1, rtt_ns=rtt, error_ns=error))

    def close(self):
        self.out.put(None)
        self.stream.cancel()
        self.channel.close()
        self.thread.join(5)


def encode_bucket(bucket, count):
    """Hist.buckets of one bucket, as proto/lps.proto lays it out."""
    bits = []

    def low(value, n):
        bits.extend(value >> i & 1 for i in range(n))

    def rice(value, order):
        bits.extend([0] * (value >> order) + [1])
        low(value, order)

    gap_order, count_order = 5, 3
    rice(bucket // 256, 0)
    low(0, 8)
    low(gap_order, 3)
    low(count_order, 6)
    rice(bucket % 256, gap_order)
    rice(count - 1, count_order)
    return sum(bit << i for i, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")


def window(pb, run, seq, k, n, us=1000):
    """n requests of one latency in second k; bucket i < 2048 is the value i."""
    encoded = encode_bucket(us, n)
    latency = pb.Latency(kind=1, hist=pb.Hist(count=n, sum_us=n * us, min_us=us, max_us=us, buckets=encoded))
    series = pb.SeriesDelta(id=0, counters=pb.Counters(started=n, completed=n, bytes_received=n * 100, connects=1 if k == 0 else 0),
                            status=[pb.StatusCount(code=200, count=n)], latency=[latency])
    return pb.WindowReport(run=run, seq=seq, window=pb.Window(k=k, series=[series]))


def submit(session, pb, text):
    submission = str(uuid.uuid4())
    session.send(submit=pb.Submit(submission=submission, digest=hashlib.sha256(text).digest(), plan_name="Foreign", plan=text))
    reply = session.await_answer("submit", lambda m: m.submission == submission)
    assert reply.accepted, reply.reason
    return reply.run


def connect(t):
    """gRPC, the messages, a cluster of a master alone, and a session with it that has measured the clock."""
    grpc, pb, pb_grpc, _, _ = stubs(t)
    cluster = t.cluster()
    cluster.start_master()
    session = Session(grpc, pb, pb_grpc, cluster.port, "foreign")
    t.cleanups.append(session.close)
    session.measure_clock()
    return grpc, pb, cluster, session


@test
def drives_a_whole_session(t):
    grpc, pb, pb_grpc, _, _ = stubs(t)
    cluster = t.cluster(StartLead=0.5)
    cluster.start_master()
    session = Session(grpc, pb, pb_grpc, cluster.port, "foreign")
    t.cleanups.append(session.close)
    welcome = session.await_answer("welcome")
    assert welcome.epoch == 1 and welcome.master == "m1" and len(welcome.boot_id) == 36 and welcome.lease_ms == 1500, welcome
    text = json.dumps(PLAN, sort_keys=True, separators=(",", ":")).encode()
    run = submit(session, pb, text)
    time.sleep(0.2)
    assert cluster.state()["run"]["counted"] == 0, "not counted before the clocks are known"
    session.measure_clock()
    ready = session.await_answer("run", lambda m: m.state == pb.READY)
    assert ready.run == run and ready.t0_ns > 0 and ready.t0_boot_id == welcome.boot_id
    session.await_answer("run", lambda m: m.state == pb.RUNNING)

    session.send(window=window(pb, run, 1, 0, 10))
    session.send(window=window(pb, run, 1, 0, 10))  # a duplicate counts once
    session.send(window=window(pb, run, 2, 1, 20, us=2000))
    session.await_answer("ack", lambda m: m.run == run and m.last_seq == 2)
    totals = pb.SeriesTotals(id=0, counters=pb.Counters(started=30, completed=30, bytes_received=3000, connects=1),
                             status=[pb.StatusCount(code=200, count=30)])
    session.send(fin=pb.Fin(run=run, seq=3, totals=[totals], has_start=True, start_skew_ns=1000000, start_error_ns=50000))
    assert not session.await_answer("fin").closed
    result = session.await_answer("result", lambda m: m.run == run)
    document = json.loads(result.result)
    assert result.exit_code == 0 == document["verdict"]["exitCode"], document["verdict"]
    assert document["totals"]["requests"] == 30 and document["totals"]["statusCodes"] == {"200": 30}
    assert document["reconciliation"]["agrees"]
    latency = document["totals"]["latencyUs"]["service"]
    assert (latency["count"], latency["min"], latency["p50"], latency["max"]) == (30, 1000, 2000, 2000), latency
    assert document["timeline"]["requests"][:2] == [10, 20]
    assert document["workers"][0]["startSkewMs"] == 1.0
    assert cluster.result()["totals"] == document["totals"]
    assert session.end is None, "the stream outlives the run"


@test
def totals_that_differ_are_flagged(t):
    _, pb, cluster, session = connect(t)
    run = submit(session, pb, json.dumps(PLAN, sort_keys=True, separators=(",", ":")).encode())
    session.await_answer("run", lambda m: m.run == run and m.state == pb.RUNNING)
    session.send(window=window(pb, run, 1, 0, 10))
    totals = pb.SeriesTotals(id=0, counters=pb.Counters(started=11, completed=11), status=[pb.StatusCount(code=200, count=11)])
    session.send(fin=pb.Fin(run=run, seq=2, totals=[totals]))
    result = session.await_answer("result", lambda m: m.run == run)
    document = json.loads(result.result)
    assert result.exit_code == 4 and "unreconciled" in document["run"]["flags"], document["run"]
    assert not document["reconciliation"]["agrees"] and document["reconciliation"]["differences"]


@test
def a_gap_in_the_sequence_ends_the_stream(t):
    grpc, pb, cluster, session = connect(t)
    run = submit(session, pb, json.dumps(PLAN, sort_keys=True, separators=(",", ":")).encode())
    session.await_answer("run", lambda m: m.run == run and m.state == pb.RUNNING)
    session.send(window=window(pb, run, 2, 0, 10))
    until("the stream ends", lambda: session.end is not None, 5)
    assert session.end != grpc.StatusCode.OK


@test
def beside_a_worker_of_ours(t):
    grpc, pb, pb_grpc, _, _ = stubs(t)
    cluster, target = t.cluster(expected=2).start(1), t.target()
    plan = json.loads(json.dumps(PLAN).replace("http://127.0.0.1:9/", target.http + "/"))
    mine = str(uuid.uuid4())
    status, _ = cluster.call("w1", "/v1/submissions", {"submissionId": mine, "plan": plan})
    assert status == 202
    run = cluster.await_members(1)
    session = Session(grpc, pb, pb_grpc, cluster.port, "foreign")
    t.cleanups.append(session.close)
    session.measure_clock()
    session.send(submit=pb.Submit(submission=str(uuid.uuid4()), digest=bytes.fromhex(run["digest"]), plan_name=run["plan"],
                                  plan=json.dumps(plan).encode()))
    reply = session.await_answer("submit")
    assert reply.accepted and reply.run == run["id"], reply
    session.await_answer("run", lambda m: m.run == run["id"] and m.state == pb.RUNNING)
    session.send(window=window(pb, run["id"], 1, 0, 7))
    totals = pb.SeriesTotals(id=0, counters=pb.Counters(started=7, completed=7, bytes_received=700, connects=1),
                             status=[pb.StatusCount(code=200, count=7)])
    session.send(fin=pb.Fin(run=run["id"], seq=2, totals=[totals]))
    session.await_answer("result")
    document = cluster.result()
    assert document["verdict"]["exitCode"] == 0 and document["totals"]["requests"] == 37, document["totals"]
    assert [w["node"] for w in document["workers"]] == ["foreign", "w1"]
    events = [json.loads(line) for line in cluster.call("w1", f"/v1/submissions/{mine}/events")[1].splitlines() if line[:1] == b"{"]
    assert events[-1]["event"] == "result" and events[-1]["result"]["totals"] == document["totals"]


@test
def long_answers_come_in_pieces(t):
    grpc, pb, cluster, session = connect(t)
    iterations = [{**PLAN["rounds"][0]["iterations"][0], "name": f"i{i}"} for i in range(300)]
    wide = {**PLAN, "rounds": [{**PLAN["rounds"][0], "iterations": iterations}]}
    run = submit(session, pb, json.dumps(wide, sort_keys=True, separators=(",", ":")).encode())
    session.await_answer("run", lambda m: m.run == run and m.state == pb.RUNNING)
    examples = ["x" * (i % 2) + "\u00e4" * 99 for i in range(300)]  # of two bytes each, in which no piece may end
    session.send(window=pb.WindowReport(run=run, seq=1, window=pb.Window(k=0, series=[
        pb.SeriesDelta(id=i, counters=pb.Counters(started=1, failed=1), errors=[pb.ErrorCount(kind=1, count=1, example=example)])
        for i, example in enumerate(examples)])))
    session.await_answer("ack", lambda m: m.last_seq == 1)
    asked = itertools.count(1)

    def ask(command, **more):
        n_before = sum(m.WhichOneof("body") == "command" for m in session.got)
        session.send(command=pb.Command(id=command, **more))
        until("an answer", lambda: sum(m.WhichOneof("body") == "command" for m in session.got) > n_before)
        answer = [m.command for m in session.got if m.WhichOneof("body") == "command"][-1]
        assert answer.id == command and len(answer.text.encode()) <= 65536, answer.id
        return answer

    def begin():
        command = next(asked)
        first = ask(command, verb=pb.Command.SHOW, run=run[:12])
        assert first.ok and first.more
        return command, first.text

    def rest(command, text):
        while True:
            answer = ask(command, verb=pb.Command.MORE, offset=len(text.encode()))
            if not answer.ok:
                return answer.text
            text += answer.text
            if not answer.more:
                return json.loads(text)

    assert [s["errorKinds"][0]["example"] for s in rest(*begin())["series"]] == examples
    assert ask(7000, verb=pb.Command.MORE).text == "the answer is no longer there"
    assert ask(next(asked), verb=pb.Command.RUNS, limit=1).text.count(run) == 1
    opened = [begin() for _ in range(9)]  # one more than the master keeps
    assert rest(*opened[0]) == "the answer is no longer there"
    assert all(rest(*o)["run"]["id"] == run for o in opened[1:])
    over = begin()
    assert not ask(over[0], verb=pb.Command.MORE, offset=1 << 40).ok
    assert not ask(next(asked), verb=pb.Command.SHOW, run="x").ok
    session.send(command=pb.Command(id=1, verb=pb.Command.RUNS, limit=1001))
    until("the stream ends", lambda: session.end is not None, 5)
    assert session.end == grpc.StatusCode.INVALID_ARGUMENT


@test
def silence_beyond_the_lease_is_a_loss(t):
    grpc, pb, pb_grpc, _, _ = stubs(t)
    cluster = t.cluster(Lease=0.6)
    cluster.start_master()
    session = Session(grpc, pb, pb_grpc, cluster.port, "foreign")
    t.cleanups.append(session.close)
    session.await_answer("welcome")
    until("the stream ends", lambda: session.end is not None, 3)
    assert not any(n["connected"] for n in cluster.state()["nodes"])


@test
def health_service(t):
    grpc, _, _, health, health_grpc = stubs(t)
    cluster = t.cluster()
    cluster.start_master()
    with grpc.insecure_channel(f"127.0.0.1:{cluster.port}") as channel:
        reply = health_grpc.HealthStub(channel).Check(health.HealthCheckRequest(), timeout=3)
        assert reply.status == health.HealthCheckResponse.SERVING


if __name__ == "__main__":
    main()
