import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = resolve(dirname(fileURLToPath(import.meta.url)), "..");

export interface SourceFile {
  /** Relative to the root of the repository, with `/` on every platform. */
  readonly path: string;
  readonly text: string;
}

const SKIPPED = new Set(["node_modules", "dist", "coverage", ".git"]);

/** Every file below `folder` (relative to the root) whose name ends with `ending`; none when there is no such folder. */
export function readFiles(folder: string, ending: string): readonly SourceFile[] {
  return paths(join(ROOT, folder))
    .filter((path) => path.endsWith(ending))
    .map((path) => ({ path: relative(ROOT, path).split(sep).join("/"), text: readFileSync(path, "utf8") }))
    .toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

function paths(folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : paths(join(folder, entry.name));
    return [join(folder, entry.name)];
  });
}
