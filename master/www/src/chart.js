// One time chart over uPlot; all charts share a cursor.
import { html, useEffect, useRef } from "./ui.js";
import uPlot from "uplot";

const SECONDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 18000, 36000, 86400];

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(width, lines, format, bars) {
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height: 190,
    cursor: { sync: { key: "lps" }, drag: { x: true, y: false } },
    legend: { live: true },
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, size: 30, incrs: SECONDS, values: (_, ticks) => ticks.map((t) => `${t} s`) },
      { ...axis, size: 64, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      { label: "second", value: (_, v) => (v == null ? "–" : `${v} s`) },
      ...lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.75,
        dash: line.dash,
        fill: line.fill ? color(line.color) + "22" : undefined,
        paths: bars ? uPlot.paths.bars({ size: [0.8, 40] }) : undefined,
        points: { show: false },
        value: (_, v) => (v == null ? "–" : format(v)),
      })),
    ],
  };
}

// points.k and the named keys of points, as lines [{key, label, color, dash, fill}].
export function Chart({ title, note, points, lines, format, bars }) {
  const box = useRef(null);
  const plot = useRef(null);
  const data = [points.k, ...lines.map((line) => points[line.key])];

  useEffect(() => {
    plot.current = new uPlot(options(box.current.clientWidth, lines, format, bars), data, box.current);
    const resize = new ResizeObserver(() => plot.current.setSize({ width: box.current.clientWidth, height: 190 }));
    resize.observe(box.current);
    return () => {
      resize.disconnect();
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [points]);

  return html`<section class="card chart">
    <h2>${title} <small>${note}</small></h2>
    <div ref=${box}></div>
  </section>`;
}
