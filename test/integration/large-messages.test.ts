/** Messages that are too large for one frame, between real nodes, and what they do to others. */
import { describe, expect, test } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import { verifies } from "../requirements.ts";
import { TestNetwork, until } from "../support/network.ts";

const MIB = 1024 * 1024;

/** Bytes that no compression and no deduplication of chunks makes small. */
function noise(bytes: number, seed: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

async function pair(network: TestNetwork, handlers: Readonly<Record<string, (payload: unknown) => unknown>>) {
  const one = await network.start("one");
  const two = await network.start("two", { bootstrap: one.node.status().addresses });
  const agent = functionAgent({ name: "archive" });
  for (const [kind, handler] of Object.entries(handlers))
    agent.registerHandler(kind, ({ payload }) => handler(payload));
  await two.node.addAgent(agent);
  await until("one sees the archive", () => one.node.offers().length >= 0 && one.node.status().counts.agents > 0);
  return { one, two };
}

/** Much faster than to compare them element by element. */
function isSame(value: unknown, bytes: Uint8Array): boolean {
  return value instanceof Uint8Array && Buffer.compare(value, bytes) === 0;
}

/** Not volatile: on a busy machine the other node may count as away for a moment. */
function ask(served: ServedNode, kind: string, payload: unknown): Promise<unknown> {
  const content = { kind, payload, priority: "critical", durability: "process" } as const;
  return served.node.messages.send("archive", content).then(({ answer }) => answer);
}

describe("large messages between real nodes", () => {
  test("a body of 50 MiB arrives whole and verified, is kept once, and control goes past it", async () => {
    verifies("messaging:shape:reach");
    await using network = new TestNetwork();
    const got: unknown[] = [];
    const { one, two } = await pair(network, { file: (payload) => void got.push(payload), ping: (payload) => payload });
    const body = noise(50 * MIB, 1);
    const lengthAtOnce = await ask(one, "ping", 1);
    expect(lengthAtOnce).toBe(1);
    const startedMs = performance.now();
    const { state } = await one.node.messages.send("archive", { kind: "file", payload: body, wait: "stored" });
    expect(state).toBe("stored");
    const pingsMs: number[] = [];
    while (got.length === 0) {
      const askedMs = performance.now();
      await ask(one, "ping", 2);
      pingsMs.push(performance.now() - askedMs);
    }
    const tookMs = performance.now() - startedMs;
    expect(isSame(got[0], body)).toBe(true);
    const typical = pingsMs.toSorted((left, right) => left - right)[Math.floor(pingsMs.length * 0.9)] ?? Infinity;
    // Behind the large one each of them would take as long as it does.
    expect(pingsMs.length).toBeGreaterThan(10);
    expect(typical).toBeLessThan(tookMs / 10);

    // Sent again: the same bytes are not sent twice.
    const before = two.node.artifacts.list();
    await one.node.messages.send("archive", { kind: "file", payload: body, wait: "acknowledged" });
    await until("it came again", () => got.length === 2);
    expect(two.node.artifacts.list()).toHaveLength(before.length);
    expect(before).toMatchObject([{ complete: true, pinned: false }]);
    expect(before[0]?.expiresAtMs).toBeGreaterThan(Date.now());
  }, 120_000);

  test("requests and answers may be large, and what is beyond the limit is refused with a typed error", async () => {
    await using network = new TestNetwork();
    const { one } = await pair(network, {
      reverse: (payload) => (payload instanceof Uint8Array ? payload.toReversed() : 0),
    });
    const body = noise(3 * MIB, 2);
    const { answer } = await one.node.messages.send("archive", { kind: "reverse", payload: body, durability: "disk" });
    expect(isSame(answer, body.toReversed())).toBe(true);
    const tooLarge = { kind: "reverse", payload: new Uint8Array(64 * MIB + 1) };
    await expect(one.node.messages.send("archive", tooLarge)).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
  }, 60_000);
});
