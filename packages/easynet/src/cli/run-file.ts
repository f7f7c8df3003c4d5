import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EasynetError } from "../kernel/index.ts";

/** How to reach the node that runs in a home folder. */
export interface RunningNodeFile {
  readonly apiUrl: string;
  readonly pid: number;
  readonly name: string;
}

/**
 * Reads `run.json`. By hand, not with the schema of node/: this is on the start path of every command, and loading a
 * schema library costs more than the rest of the command.
 */
export function readRunFile(home: string): RunningNodeFile | undefined {
  const value = readJson(join(home, "run.json"));
  if (typeof value !== "object" || value === null || !("apiUrl" in value) || !("pid" in value)) return undefined;
  const { apiUrl, pid } = value;
  if (typeof apiUrl !== "string" || typeof pid !== "number") return undefined;
  return { apiUrl, pid, name: "name" in value ? String(value.name) : "" };
}

/** @throws {EasynetError} TOKEN_INVALID when the file cannot be read */
export function readToken(home: string): string {
  const tokenFile = join(home, "token");
  try {
    return readFileSync(tokenFile, "utf8").trim();
  } catch (cause) {
    throw new EasynetError("TOKEN_INVALID", { tokenFile }, { cause });
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
