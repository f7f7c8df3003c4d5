import { createHash, randomBytes } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import { TestNetwork, until } from "../support/network.ts";

const MIB = 1024 * 1024;

async function pair(network: TestNetwork) {
  const amber = await network.start("amber");
  const cobalt = await network.start("cobalt");
  await until("linked", () => cobalt.node.peers().length === 1 && amber.node.peers().length === 1);
  return { amber, cobalt };
}

async function contentOf({ node }: ServedNode, cid: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of node.artifacts.open(cid)) hash.update(part);
  return hash.digest("hex");
}

function hashOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function blocks(served: ServedNode): string[] {
  return readdirSync(join(served.node.home, "artifacts")).filter((name) => !name.startsWith("new-"));
}

test("an artifact of one node is fetched by another, and then has two homes", async () => {
  await using network = new TestNetwork();
  const { amber, cobalt } = await pair(network);
  const content = randomBytes(3 * MIB + 17);
  const { cid, bytes } = await amber.node.artifacts.put([content]);
  expect(bytes).toBe(content.length);
  expect(await cobalt.node.artifacts.fetch(cid)).toMatchObject({ cid, bytes, complete: true });
  expect(await contentOf(cobalt, cid)).toBe(hashOf(content));
  await amber.node.artifacts.remove(cid);
  expect(blocks(amber)).toEqual([]);
  await amber.node.artifacts.fetch(cid);
  expect(await contentOf(amber, cid)).toBe(hashOf(content));
});

test("a fetch goes on when who has it was away in the middle, and asks for nothing twice", async () => {
  await using network = new TestNetwork();
  const { amber, cobalt } = await pair(network);
  const content = randomBytes(64 * MIB);
  const { cid } = await amber.node.artifacts.put([content]);
  const cut = Promise.withResolvers<void>();
  const fetched = cobalt.node.artifacts.fetch(cid, {
    onProgress: ({ bytes }) => {
      if (bytes > 16 * MIB) cut.resolve();
    },
  });
  await cut.promise;
  await amber.stop();
  expect(blocks(cobalt).length).toBeLessThan(250);
  await network.start("amber");
  await fetched;
  expect(await contentOf(cobalt, cid)).toBe(hashOf(content));
  const received = cobalt.node.status().counters["easynet_artifact_bytes_received_total"] ?? 0;
  const nodes = received - content.length;
  expect(nodes).toBeGreaterThan(0);
  expect(nodes).toBeLessThan(256 * 1024);
}, 60_000);

test("a fetch that ended in the middle goes on after a restart with what is on disk", async () => {
  await using network = new TestNetwork();
  const { amber, cobalt } = await pair(network);
  const content = randomBytes(64 * MIB);
  const { cid } = await amber.node.artifacts.put([content]);
  const cut = new AbortController();
  const half = cobalt.node.artifacts.fetch(cid, {
    signal: cut.signal,
    onProgress: ({ bytes }) => {
      if (bytes > 32 * MIB) cut.abort();
    },
  });
  await expect(half).rejects.toMatchObject({ code: "CANCELLED" });
  const kept = blocks(cobalt).length;
  expect(kept).toBeGreaterThan(120);
  expect(kept).toBeLessThan(250);
  await cobalt.stop();
  const again = await network.start("cobalt");
  await until("linked again", () => again.node.peers().length === 1);
  expect(again.node.artifacts.get(cid)).toMatchObject({ complete: false });
  await again.node.artifacts.fetch(cid);
  expect(await contentOf(again, cid)).toBe(hashOf(content));
  const received = again.node.status().counters["easynet_artifact_bytes_received_total"] ?? 0;
  expect(received).toBeGreaterThan(0);
  expect(received).toBeLessThanOrEqual((259 - kept) * 256 * 1024);
}, 60_000);

test("what nobody has is not found, and what is no address is refused", async () => {
  await using network = new TestNetwork();
  const { cobalt } = await pair(network);
  const nowhere = "bafkreiemzsnsdw4rkkmqgrbtgcu5z7z4uqi4pmlblprnimkvujjqxcwa74";
  await expect(cobalt.node.artifacts.fetch(nowhere)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
  await expect(cobalt.node.artifacts.fetch("../../node.key")).rejects.toMatchObject({ code: "ARTIFACT_ID_INVALID" });
  expect(cobalt.node.artifacts.list()).toEqual([]);
});

test("a file that was changed on disk is noticed, and fetched again", async () => {
  await using network = new TestNetwork();
  const { amber, cobalt } = await pair(network);
  const content = randomBytes(MIB);
  const { cid } = await amber.node.artifacts.put([content]);
  await cobalt.node.artifacts.fetch(cid);
  const chunk = hashOf(content.subarray(0, 256 * 1024));
  writeFileSync(join(cobalt.node.home, "artifacts", chunk), "something else");
  await expect(contentOf(cobalt, cid)).rejects.toMatchObject({ code: "ARTIFACT_DAMAGED" });
  await cobalt.node.artifacts.fetch(cid);
  expect(await contentOf(cobalt, cid)).toBe(hashOf(content));
});
