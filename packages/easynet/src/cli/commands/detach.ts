import { spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { EasynetError, fromWireError } from "../../kernel/index.ts";
import { type CliContext, DETACHED_VARIABLE } from "../cli-context.ts";
import type { UpReport } from "./up.ts";

/**
 * Starts `easynet up` as a process of its own and waits until its node is ready.
 * @throws {EasynetError} what the node could not start with
 */
export async function startDetached(context: CliContext, args: readonly string[]): Promise<UpReport> {
  const [, script = ""] = process.argv;
  mkdirSync(context.home, { recursive: true, mode: 0o700 });
  // Where a crash of the background process would otherwise vanish.
  const errors = openSync(join(context.home, "up.log"), "a", 0o600);
  const child = spawn(
    context.io.execPath,
    [...process.execArgv, script, ...args.filter((arg) => arg !== "--detach" && arg !== "--json"), "--json"],
    {
      detached: true,
      stdio: ["ignore", "ignore", errors, "ipc"],
      env: { ...context.io.env, [DETACHED_VARIABLE]: "1" },
    },
  );
  const answer = await new Promise<unknown>((resolve, reject) => {
    child.once("message", resolve);
    child.once("error", reject);
    child.once("exit", () => {
      reject(new EasynetError("INTERNAL", { reason: context.text("up.detachFailed") }));
    });
  });
  child.disconnect();
  child.unref();
  if (isReport(answer)) return answer;
  throw errorOf(answer);
}

function isReport(value: unknown): value is UpReport {
  return typeof value === "object" && value !== null && "status" in value && "apiUrl" in value;
}

function errorOf(value: unknown): EasynetError {
  const known = { code: "INTERNAL", message: String(value), retryable: false, details: {} };
  return fromWireError(typeof value === "object" && value !== null ? { ...known, ...value } : known);
}
