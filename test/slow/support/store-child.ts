/**
 * Commits without end until it is killed: `store-child.ts PATH ROUND [normal] [early] [mixed]`. Prints
 * `round/caller index durability` once a commit is acknowledged. With `mixed` one caller commits to the disk, with
 * pauses, and the others for the process only. `normal` weakens the synchronisation and `early` prints before the
 * commit resolved: both are planted faults that the tests must catch.
 */
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommitDurability } from "../../../packages/easynet/src/storage/index.ts";
import { openStoreWith } from "../../../packages/easynet/src/storage/sqlite-store.ts";
import { CALLER_COUNT, writesOf } from "./store-load.ts";

const [path = "", round = "0", ...modes] = process.argv.slice(2);
const early = modes.includes("early");
const mixed = modes.includes("mixed");
/** Between two commits to the disk of a mixed load, so that several transactions without a sync lie between them. */
const DISK_PAUSE_MS = 4;
const store = await openStoreWith({ path }, { synchronous: modes.includes("normal") ? "NORMAL" : "FULL" });

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Synchronous: once it returns, the kernel has the line, and the parent reads it even when we are dead. */
function acknowledge(caller: number, index: number, durability: CommitDurability): void {
  let line = Buffer.from(`${round}/${caller} ${index} ${durability}\n`);
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
  const durability = mixed && caller > 0 ? "process" : "disk";
  for (let index = 0; ; index += 1) {
    if (early) acknowledge(caller, index, durability);
    await store.commit(writesOf(Number(round), caller, index), { durability });
    if (!early) acknowledge(caller, index, durability);
    if (mixed && caller === 0) await sleep(DISK_PAUSE_MS);
  }
}

await Promise.all(Array.from({ length: CALLER_COUNT }, async (_, caller) => call(caller)));
