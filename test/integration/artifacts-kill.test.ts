import { fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ArtifactReport } from "../../packages/easynet/src/messaging/index.ts";
import { TestNetwork } from "../support/network.ts";

const CHILD = join(import.meta.dirname, "../support/artifact-child.ts");
const BYTES = 24 * 1024 * 1024;

interface Life {
  /** What its node found at the start. */
  readonly kept: readonly ArtifactReport[];
  /** Undefined: it was killed before. */
  readonly done: ArtifactReport | undefined;
}

/** One life of the member; killed as soon as the condition holds. */
async function live(args: readonly string[], killWhen: () => boolean): Promise<Life> {
  const child = fork(CHILD, [...args], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const life: { kept: readonly ArtifactReport[]; done: ArtifactReport | undefined } = { kept: [], done: undefined };
  child.on("message", (message: { readonly kept?: readonly ArtifactReport[]; readonly done?: ArtifactReport }) => {
    life.kept = message.kept ?? life.kept;
    life.done = message.done ?? life.done;
  });
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
  });
  while (life.done === undefined && child.exitCode === null && !killWhen()) await sleep(2);
  child.kill("SIGKILL");
  await ended;
  return life;
}

/** Blocks on disk, those that are being written included. */
function countIn(home: string): number {
  try {
    return readdirSync(join(home, "artifacts")).length;
  } catch {
    return 0;
  }
}

describe("kill -9", { timeout: 90_000 }, () => {
  test("in the middle of put leaves no half artifact, and no file of it after the next start", async () => {
    await using network = new TestNetwork();
    const home = await network.prepareHome("amber");
    for (const count of [1, 20, 60]) {
      const life = await live([home, "put", "words", String(BYTES)], () => countIn(home) >= count);
      expect(life).toEqual({ kept: [], done: undefined });
      expect(countIn(home)).toBeGreaterThanOrEqual(count);
    }
    const { done } = await live([home, "put", "words", String(BYTES)], () => false);
    expect(done).toMatchObject({ bytes: BYTES, complete: true });
    const after = await network.start("amber");
    expect(after.node.artifacts.list()).toMatchObject([{ cid: done?.cid, bytes: BYTES, complete: true }]);
    let bytes = 0;
    for await (const part of after.node.artifacts.open(done?.cid ?? "")) bytes += part.length;
    expect(bytes).toBe(BYTES);
  });

  test("in the middle of get leaves what is verified, which is not fetched again", async () => {
    await using network = new TestNetwork();
    const amber = await network.start("amber");
    const { cid } = await amber.node.artifacts.put(
      Array.from({ length: BYTES / (256 * 1024) }, (_, index) => Buffer.alloc(256 * 1024, `chunk ${index}`)),
    );
    const home = await network.prepareHome("cobalt");
    const args = [home, "get", cid, "0", amber.node.status().addresses[0] ?? ""];
    for (const count of [10, 50]) {
      expect(await live(args, () => countIn(home) >= count)).toMatchObject({ done: undefined });
    }
    const { kept, done } = await live(args, () => false);
    expect(kept).toMatchObject([{ cid, complete: false }]);
    expect(done).toMatchObject({ cid, bytes: BYTES, complete: true });
    // Each of the three lives had the rest of the one before to fetch: blocks that were on their way come twice.
    const sent = amber.node.status().counters["easynet_artifact_bytes_sent_total"] ?? 0;
    expect(sent).toBeGreaterThan(BYTES);
    expect(sent).toBeLessThan(BYTES * 1.5);
  });
});
