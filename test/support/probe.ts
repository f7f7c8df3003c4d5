/** What this process holds, for tests that look for leaks. To be imported before anything that opens something. */
import { createHook } from "node:async_hooks";
import { openSync, readdirSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { queryObjects, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Link } from "../../packages/easynet/src/mesh/link.ts";
import type { Holdings } from "./reach-messages.ts";

const KINDS: Readonly<Record<string, "timers" | "sockets">> = { Timeout: "timers", TCPWRAP: "sockets" };
const alive = new Map<number, "timers" | "sockets">();

createHook({
  init(id, type) {
    const kind = KINDS[type];
    if (kind) alive.set(id, kind);
  },
  destroy: (id) => void alive.delete(id),
  trackPromises: false,
}).enable();

setFlagsFromString("--expose-gc");
const collectGarbage: unknown = runInNewContext("gc");

export async function holdings(): Promise<Holdings> {
  // Twice, with turns between: what the first collection ends tells so in a later turn.
  for (let round = 0; round < 2; round++) {
    if (typeof collectGarbage === "function") Reflect.apply(collectGarbage, undefined, []);
    await turn();
    await turn();
  }
  const kinds = [...alive.values()];
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    links: queryObjects(Link, { format: "count" }),
    timers: kinds.filter((kind) => kind === "timers").length,
    sockets: kinds.filter((kind) => kind === "sockets").length,
    fileDescriptors: readdirSync("/proc/self/fd").length,
    heapBytes: heapUsed + external,
    rssBytes: rss,
  };
}

const leaked: unknown[] = [];

/** A planted fault: from each call something stays. */
export function leak(): void {
  const held = Buffer.alloc(256 * 1024, 1);
  leaked.push(held, openSync("/dev/null", "r"), setInterval(() => held.fill(2), 1_000_000).unref());
}
