import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("powercut.c", import.meta.url));

/** Builds the shim of powercut.c; says why it cannot where it cannot. */
export function compileShim(
  folder: string,
): { readonly path: string; readonly skipped?: undefined } | { readonly skipped: string } {
  if (process.platform !== "linux") return { skipped: "the shim is for Linux" };
  const path = join(folder, "powercut.so");
  const { error, status, stderr } = spawnSync("gcc", ["-O1", "-shared", "-fPIC", "-o", path, SOURCE, "-ldl"], {
    encoding: "utf8",
  });
  if (error) return { skipped: `gcc could not be started: ${error.message}` };
  if (status !== 0) throw new Error(`the shim does not compile: ${stderr}`);
  return { path };
}
