// The master's server-sent events, kept as one value: {state, run, points, totals, live, at}.

const POINT_KEYS = ["k", "workers", "requests", "completed", "failed", "errors", "dropped", "inFlight", "bytesSent",
  "bytesReceived", "p50Us", "p90Us", "p95Us", "p99Us", "p999Us", "maxUs"];

const noPoints = () => Object.fromEntries(POINT_KEYS.map((key) => [key, []]));

// Later frames may carry a second again, with more workers in it: the newer one holds.
function append(points, added) {
  const at = added.k.length ? points.k.lastIndexOf(added.k[0]) : -1;
  const keep = at >= 0 ? at : points.k.length;
  return Object.fromEntries(POINT_KEYS.map((key) => [key, points[key].slice(0, keep).concat(added[key] ?? [])]));
}

export function follow(onChange) {
  let value = { state: null, run: null, points: noPoints(), totals: null, k: -1, live: false, at: 0 };
  const set = (change) => onChange((value = { ...value, ...change, at: Date.now() }));
  const source = new EventSource("/api/v1/events");

  source.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    const run = state.run?.id ?? null;
    set({ state, live: true, ...(run !== value.run ? { run, points: noPoints(), totals: null, k: -1 } : {}) });
  });
  source.addEventListener("frame", (event) => {
    const frame = JSON.parse(event.data);
    const old = frame.run === value.run ? value.points : noPoints();
    set({ run: frame.run, points: append(old, frame.points), totals: frame.totals, k: frame.k, live: true });
  });
  source.onerror = () => set({ live: false });
  return source;
}
