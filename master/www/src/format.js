// Numbers as people read them. Pure.

export const count = (n) => (n == null ? "–" : Math.round(n).toLocaleString("en-US"));

export function short(n) {
  if (n == null) return "–";
  for (const [limit, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (n >= limit) return (n / (unit === "k" ? 1e3 : limit)).toFixed(1) + unit;
  }
  return count(n);
}

export function micros(us) {
  if (us == null) return "–";
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 2 : 1)} ms`;
  return `${(us / 1e6).toFixed(2)} s`;
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const pad = (v) => String(v).padStart(2, "0");
  return (s >= 3600 ? Math.floor(s / 3600) + ":" : "") + pad(Math.floor(s / 60) % 60) + ":" + pad(s % 60);
}

export const percent = (part, whole) => (whole > 0 ? ((100 * part) / whole).toFixed(part && part / whole < 0.01 ? 2 : 1) + " %" : "–");
