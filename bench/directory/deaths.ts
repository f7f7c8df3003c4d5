import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { KeyPair } from "../../packages/easynet/src/identity/index.ts";
import type { Member } from "./member.ts";

const CHILD = new URL("member-child.ts", import.meta.url);
const WAIT_TIMEOUT_MS = 30_000;
/** A member is left in peace this long before it dies, so that all is settled. */
const SETTLE_MS = 1500;

/** Starts one more member in a process of its own, sends it a signal, and times when each of the others lists it as dead, ms. */
export async function timeDeath(
  members: readonly Member[],
  { root, signal }: { readonly root: KeyPair; readonly signal: "SIGKILL" | "SIGSTOP" },
): Promise<readonly number[]> {
  const [address] = members[0]?.mesh.addresses() ?? [];
  const order = JSON.stringify({ root: Buffer.from(root.exportSeed()).toString("hex"), address });
  const child = fork(CHILD, [order], { execPath: process.execPath });
  try {
    const did = await didOf(child);
    await until(() =>
      members.every(({ directory }) => directory.nodes().some((node) => node.did === did && node.status === "alive")),
    );
    await until(() => members.every(({ mesh }) => mesh.peers().some((peer) => peer.did === did)));
    await sleep(SETTLE_MS);
    const startMs = performance.now();
    const times = members.map(
      ({ directory }) =>
        new Promise<number>((resolve) => {
          const listener = directory.on("node-gone", (gone) => {
            if (gone !== did) return;
            listener[Symbol.dispose]();
            resolve(performance.now() - startMs);
          });
        }),
    );
    child.kill(signal);
    return await Promise.race([Promise.all(times), sleep(WAIT_TIMEOUT_MS).then(() => never(signal))]);
  } finally {
    child.kill("SIGKILL");
  }
}

function never(signal: string): never {
  throw new Error(`after ${signal} not everybody lists the node as dead in ${WAIT_TIMEOUT_MS} ms`);
}

async function didOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the child ended with ${code}`)));
    child.once("message", (message: unknown) => {
      if (typeof message === "object" && message && "did" in message) resolve(String(message.did));
    });
  });
}

/** Looks every few ms until it holds. */
export async function until(holds: () => boolean, timeoutMs = WAIT_TIMEOUT_MS): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > timeoutMs)
      throw new Error(`still not so after ${timeoutMs} ms: ${holds.toString()}`);
    await sleep(5);
  }
}
