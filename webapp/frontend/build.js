/*
 * Builds every bundle into webapp/static/build. One entry per page family, so that a page without a
 * diagram never loads the drawing tools. Bootstrap's dark rules are repeated for data-bs-theme="auto"
 * inside a media query, so that a dark screen needs no script. manifest.json carries a short digest of
 * each file; pages add it to the address and may cache for a year.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static", "build");

const DARK = "[data-bs-theme=dark]";

function autoDark(css) {
  const rules = css.match(/^[^\n@}]*\[data-bs-theme=dark\][^{]*\{[^}]*\}/gm) || [];
  const auto = rules.map((rule) => rule.replaceAll(DARK, "[data-bs-theme=auto]")).join("\n");
  return `${css}\n@media (prefers-color-scheme: dark) {\n${auto}\n}\n`;
}

const bootstrapAuto = {
  name: "bootstrap-auto",
  setup(build) {
    build.onLoad({ filter: /bootstrap[\\/]dist[\\/]css[\\/]bootstrap\.css$/ }, ({ path }) => ({
      contents: autoDark(readFileSync(path, "utf8")),
      loader: "css",
    }));
  },
};

function manifest() {
  const names = readdirSync(out).filter((name) => /\.(js|css)$/.test(name));
  const digest = (name) => createHash("sha256").update(readFileSync(join(out, name))).digest("hex").slice(0, 12);
  const table = Object.fromEntries(names.sort().map((name) => [name, digest(name)]));
  writeFileSync(join(out, "manifest.json"), JSON.stringify(table, null, 1) + "\n");
}

const options = {
  entryPoints: ["app", "viewer", "modeler", "charts", "swagger"].map((name) => join(here, "src", `${name}.js`)),
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  legalComments: "eof",
  logLevel: "warning",
  loader: {
    ".svg": "dataurl", ".png": "dataurl", ".woff2": "file", ".woff": "file", ".ttf": "file", ".eot": "file",
  },
  assetNames: "[name]-[hash]",
  plugins: [bootstrapAuto],
  define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
if (process.argv.includes("--watch")) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
  manifest();
}
