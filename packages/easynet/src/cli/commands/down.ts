import { setTimeout as sleep } from "node:timers/promises";
import type { CliContext } from "../cli-context.ts";
import { formatMs } from "../format.ts";
import { LocalClient } from "../local-client.ts";
import { readRunFile } from "../run-file.ts";

/** How long the node may take to finish its work before we stop watching it; it goes on by itself. */
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Asks the node to stop and returns once it is gone. */
export async function down(context: CliContext): Promise<void> {
  const client = LocalClient.open(context.home);
  await client.post("/api/stop");
  await untilGone(context, client);
}

/** Watches a node that was told to stop, and tells how that went. */
export async function untilGone(context: CliContext, client: LocalClient): Promise<void> {
  const { name, pid } = client.run;
  const startMs = performance.now();
  while (isRunning(context.home, pid)) {
    if (performance.now() - startMs > STOP_TIMEOUT_MS) {
      report(context, { stopped: false, name, pid });
      return;
    }
    await sleep(POLL_MS);
  }
  report(context, { stopped: true, name, pid });
}

function isRunning(home: string, pid: number): boolean {
  return readRunFile(home)?.pid === pid;
}

function report(context: CliContext, result: { stopped: boolean; name: string; pid: number }): void {
  if (context.json) {
    context.printJson(result);
    return;
  }
  const key = result.stopped ? "down.stopped" : "down.slow";
  context.say(context.text(key, { name: result.name, pid: result.pid, time: formatMs(STOP_TIMEOUT_MS) }));
}
