// Copies the vendored libraries from node_modules into static/vendor and writes VERSIONS.md.
// Run: npm ci && npm run vendor. Nothing here is needed to run Causeway.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "..", "..", "node_modules");
const icons = readFileSync(join(here, "lucide", "icons.txt"), "utf8").split(/\s+/).filter(Boolean).sort();

const copies = [
  ["chart.js/dist/chart.umd.min.js", "chartjs/chart.umd.min.js"],
  ["chart.js/LICENSE.md", "chartjs/LICENSE.md"],
  ["tom-select/dist/js/tom-select.base.min.js", "tom-select/tom-select.base.min.js"],
  ["tom-select/dist/css/tom-select.min.css", "tom-select/tom-select.min.css"],
  ["tom-select/LICENSE", "tom-select/LICENSE"],
  ["@fontsource-variable/inter/files/inter-latin-wght-normal.woff2", "inter/inter-latin.woff2"],
  ["@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2", "inter/inter-latin-ext.woff2"],
  ["@fontsource-variable/inter/LICENSE", "inter/LICENSE"],
  ["lucide-static/LICENSE", "lucide/LICENSE"],
];

for (const [from, to] of copies) {
  mkdirSync(dirname(join(here, to)), { recursive: true });
  if (/\.(js|css)$/.test(to)) {
    // A pointer to a source map that is not there would stop collectstatic.
    const text = readFileSync(join(modules, from), "utf8");
    writeFileSync(join(here, to), text.replace(/^(\/\/|\/\*)# sourceMappingURL=.*$/gm, "").trimEnd() + "\n");
  } else {
    copyFileSync(join(modules, from), join(here, to));
  }
}

const symbols = icons.map((name) => {
  const svg = readFileSync(join(modules, "lucide-static", "icons", `${name}.svg`), "utf8");
  const body = svg.replace(/^[\s\S]*?<svg[\s\S]*?>/, "").replace("</svg>", "").replace(/\s*\n\s*/g, "");
  return `<symbol id="${name}" viewBox="0 0 24 24">${body}</symbol>`;
});
writeFileSync(
  join(here, "lucide", "sprite.svg"),
  `<svg xmlns="http://www.w3.org/2000/svg" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">\n${symbols.join("\n")}\n</svg>\n`,
);

const packages = ["chart.js", "tom-select", "@fontsource-variable/inter", "lucide-static"];
const lines = packages.map((name) => {
  const { version, license } = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
  return `| ${name} | ${version} | ${license} |`;
});
writeFileSync(
  join(here, "VERSIONS.md"),
  `# Vendored front-end libraries\n\nWritten by \`npm run vendor\`; licenses lie beside the files. htmx comes with the Python package django-htmx.\n\n| Package | Version | License |\n|---|---|---|\n${lines.join("\n")}\n`,
);
