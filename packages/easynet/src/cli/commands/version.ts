import { readFileSync } from "node:fs";
import type { CliContext } from "../cli-context.ts";

export function version(context: CliContext): void {
  const easynet = packageVersion();
  if (context.json) {
    const { node } = process.versions;
    context.printJson({ easynet, node, platform: `${process.platform}-${process.arch}` });
  } else {
    context.print(easynet);
  }
}

/** Read from the manifest, without loading anything else of easynet. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "?";
}
