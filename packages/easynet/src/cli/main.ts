#!/usr/bin/env node
// This file, node-floor.ts, language.ts and kernel/ must also load under older versions of Node; all else is imported
// only once it is known that this one is new enough.
import module from "node:module";
import { languageFrom } from "./language.ts";
import { refusalOfNode } from "./node-floor.ts";

const args = process.argv.slice(2);
const refusal = refusalOfNode(process.versions.node, languageFrom(args, process.env));
if (refusal === undefined) {
  // Compiled code is kept between runs: much of the start of a small command is compiling.
  module.enableCompileCache();
  // Who reads only the first lines (`easynet agents | head -1`) is done, not in trouble.
  process.stdout.on("error", () => process.exit(0));
  const { runCli } = await import("./run-cli.ts");
  process.exitCode = await runCli(args, process);
} else {
  process.stderr.write(`${refusal.sentence}\n`);
  process.exitCode = refusal.exitCode;
}
