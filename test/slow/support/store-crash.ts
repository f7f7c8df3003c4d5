import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { DatabaseSync } from "node:sqlite";
import { openStore } from "../../../packages/easynet/src/storage/index.ts";
import { clearLoad, type Findings, type Progress, verifyLoad } from "./store-load.ts";

const CHILD = fileURLToPath(new URL("./store-child.ts", import.meta.url));

export interface CrashOptions {
  readonly path: string;
  readonly round: number;
  /** Time until the kill: from the first acknowledgement, or from the start of the process. */
  readonly delayMs: number;
  readonly from: "first-ack" | "start";
  readonly modes?: readonly ("normal" | "early" | "mixed")[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Lets a process commit, kills it with -9, and adds what it had acknowledged to `progress`; returns how many. */
export async function crashOnce(options: CrashOptions, progress: Progress): Promise<number> {
  const args = [CHILD, options.path, String(options.round), ...(options.modes ?? [])];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  let output = "";
  let trouble = "";
  const kill = (): void => void setTimeout(() => child.kill("SIGKILL"), options.delayMs);
  child.stderr.setEncoding("utf8").on("data", (text: string) => (trouble += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "" && options.from === "first-ack") kill();
    output += text;
  });
  if (options.from === "start") kill();
  await once(child, "close");
  if (child.signalCode !== "SIGKILL") throw new Error(`the committing process ended by itself: ${trouble}`);
  // Only whole lines: the last one may have been cut by the kill.
  const lines = output
    .slice(0, output.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
  for (const line of lines) {
    const [caller = "", index = "", durability = ""] = line.split(" ");
    progress.acknowledged.set(caller, Number(index));
    // What resolved before a commit that reached the disk was in the log before it, or in its transaction.
    if (durability === "disk") progress.synced = new Map(progress.acknowledged);
  }
  return lines.length;
}

/** Opens the file as a restarted node would, compares, and empties it. @throws when the file does not open */
export async function inspectAfterCrash(path: string, progress: Progress): Promise<Findings> {
  const store = await openStore({ path });
  const { missing, unsynced, faults } = verifyLoad(store, progress);
  const database = new DatabaseSync(path, { readOnly: true });
  const integrity = String(database.prepare("PRAGMA integrity_check").get()?.["integrity_check"]);
  database.close();
  await clearLoad(store);
  await store.close();
  return { missing, unsynced, faults: integrity === "ok" ? faults : [...faults, `integrity_check says ${integrity}`] };
}
