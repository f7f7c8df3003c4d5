/**
 * Commits without end until it is killed: `store-child.ts PATH ROUND [normal] [early]`. Prints `round/caller index` once
 * a commit is acknowledged. `normal` weakens the synchronisation and `early` prints before the commit resolved: both
 * are planted faults that the tests must catch.
 */
import { writeSync } from "node:fs";
import { openStoreWith } from "../../../packages/easynet/src/storage/sqlite-store.ts";
import { CALLER_COUNT, writesOf } from "./store-load.ts";

const [path = "", round = "0", ...faults] = process.argv.slice(2);
const early = faults.includes("early");
const store = await openStoreWith({ path }, { synchronous: faults.includes("normal") ? "NORMAL" : "FULL" });

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Synchronous: once it returns, the kernel has the line, and the parent reads it even when we are dead. */
function acknowledge(caller: number, index: number): void {
  let line = Buffer.from(`${round}/${caller} ${index}\n`);
  while (line.byteLength > 0) {
    try {
      line = line.subarray(writeSync(1, line));
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "EAGAIN") throw error;
      // The parent reads more slowly than we write: wait for it, without letting anything else run.
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

async function call(caller: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    if (early) acknowledge(caller, index);
    await store.commit(writesOf(Number(round), caller, index));
    if (!early) acknowledge(caller, index);
  }
}

await Promise.all(Array.from({ length: CALLER_COUNT }, async (_, caller) => call(caller)));
