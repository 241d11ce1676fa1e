// Bundles the page and writes it as gzip-compressed C arrays: node build.mjs OUT.c
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const bundled = await build({
  entryPoints: ["src/app.js", "src/app.css"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2020",
  outdir: "out",
  write: false,
  logLevel: "warning",
});

const files = [
  { path: "/", type: "text/html; charset=utf-8", bytes: readFileSync("src/index.html") },
  { path: "/icon.svg", type: "image/svg+xml", bytes: readFileSync("src/icon.svg") },
  ...bundled.outputFiles.map((file) => ({
    path: "/" + file.path.replace(/^.*[/\\]/, ""),
    type: file.path.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
    bytes: file.contents,
  })),
];

const out = ['#include "master/daemon/www.h"', ""];
const rows = [];
files.forEach(({ path, type, bytes }, i) => {
  const gz = gzipSync(bytes, { level: 9 });
  const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  out.push(`static const unsigned char asset_${i}[] = {${[...gz].join(",")}};`);
  rows.push(`    {"${path}", "${type}", "\\"${etag}\\"", asset_${i}, sizeof asset_${i}},`);
});
out.push("const struct www_asset www_assets[] = {", ...rows, "};");
out.push("const size_t www_n_assets = sizeof www_assets / sizeof *www_assets;", "");
writeFileSync(process.argv[2], out.join("\n"));
