import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noMetrics, silentLogger } from "../../kernel/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { type MeshNode, MeshWorld } from "../../testing/mesh-world.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { createArtifacts } from "./artifacts.ts";
import { formatCid, hashOf } from "./cid.ts";
import { buildTree } from "./layout-core.ts";
import type { ArtifactLimits } from "./limits.ts";
import type { Artifacts } from "./types.ts";

const CHUNK = 256 * 1024;
/** A busy disk takes many turns, in each of which the clock goes on: nobody is given up for that. */
const PATIENT = { idleMs: 3_600_000, patienceMs: 3_600_000 };
let folder: string;
let world: MeshWorld;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "easynet-artifacts-"));
  world = new MeshWorld({ latencyMs: { min: 1, max: 5 } });
});

afterEach(async () => {
  await world.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function artifactsOf(node: MeshNode, name: string, limits: Partial<ArtifactLimits> = {}): Promise<Artifacts> {
  const { mesh } = node;
  const [clock, own] = [world.clock, join(folder, name)];
  return createArtifacts({
    mesh,
    clock,
    store: new MemoryStore(),
    folder: own,
    logger: silentLogger,
    metrics: noMetrics,
    limits: { ...PATIENT, ...limits },
  });
}

async function pair(): Promise<{ readonly honest: MeshNode; readonly hostile: MeshNode }> {
  const [honest, hostile] = [await world.node("honest"), await world.node("hostile")];
  await world.settle(honest.mesh.connect(world.addressOf(hostile)));
  await world.clock.advanceAsync(100);
  return { honest, hostile };
}

/** Says that it has everything, and answers each want as told. */
function pretend({ mesh }: MeshNode, answer: (hash: string) => readonly Uint8Array[]): { wants: number } {
  const seen = { wants: 0 };
  mesh.handle(FRAME_TYPES["artifact-ask"], ({ from, correlation }) => {
    mesh.send(from, { lane: "normal", type: FRAME_TYPES["artifact-have"], correlation, body: Uint8Array.of(1) });
  });
  mesh.handle(FRAME_TYPES["artifact-cancel"], () => undefined);
  mesh.handle(FRAME_TYPES["artifact-want"], ({ from, correlation, body }) => {
    for (let offset = 0; offset < body.length; offset += 32) {
      seen.wants++;
      const hash = Buffer.from(body.subarray(offset, offset + 32)).toString("hex");
      for (const block of answer(hash)) {
        mesh.send(from, { lane: "bulk", type: FRAME_TYPES["artifact-block"], correlation, body: block });
      }
    }
  });
  return seen;
}

/** The disk is real and the clock is not: both go on until the promise settles. */
async function settle<Value>(promise: Promise<Value>): Promise<Value> {
  const state = { settled: false };
  const end = (): void => {
    state.settled = true;
  };
  promise.then(end, end);
  while (!state.settled) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    await world.clock.advanceAsync(5);
  }
  return promise;
}

function kept(name: string): readonly string[] {
  return readdirSync(join(folder, name));
}

test("bytes of something else are refused, and nothing is kept", async () => {
  const { honest, hostile } = await pair();
  const artifacts = await artifactsOf(honest, "honest");
  pretend(hostile, () => [Buffer.from("something else")]);
  const cid = formatCid({ codec: "raw", hash: hashOf(Buffer.from("wanted")) });
  await expect(settle(artifacts.fetch(cid))).rejects.toMatchObject({ code: "ARTIFACT_FORGED" });
  expect(artifacts.list()).toEqual([]);
  expect(kept("honest")).toEqual([]);
  artifacts.close();
});

test("the root that tells of more than is allowed, or that is no root, is refused before its chunks are asked for", async () => {
  const { honest, hostile } = await pair();
  const artifacts = await artifactsOf(honest, "honest", { artifactBytesMax: 3 * CHUNK });
  const chunk = hashOf(Buffer.alloc(CHUNK));
  const { root, nodes } = buildTree([chunk, chunk, chunk, chunk], 4 * CHUNK);
  const odd = Buffer.from("no node at all");
  const blocks = new Map([root.hash, hashOf(odd)].map((hash, index) => [hash, index === 0 ? nodes[0] : odd]));
  const seen = pretend(hostile, (hash) => [blocks.get(hash) ?? odd]);
  await expect(settle(artifacts.fetch(formatCid(root)))).rejects.toMatchObject({ code: "ARTIFACT_TOO_LARGE" });
  const noRoot = formatCid({ codec: "dag-pb", hash: hashOf(odd) });
  await expect(settle(artifacts.fetch(noRoot))).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
  expect(seen.wants).toBe(2);
  expect(artifacts.list()).toEqual([]);
  expect(kept("honest")).toEqual([]);
  artifacts.close();
});

test("a peer that sends without end is dropped at the first block that nobody asked for", async () => {
  const { honest, hostile } = await pair();
  const artifacts = await artifactsOf(honest, "honest");
  const leaves = [1, 2].map((seed) => Buffer.alloc(CHUNK, seed));
  const { root, nodes } = buildTree(leaves.map(hashOf), 2 * CHUNK);
  const seen = pretend(hostile, (hash) => {
    const right = [...leaves, ...nodes].find((block) => hashOf(block) === hash) ?? Buffer.alloc(0);
    return hash === root.hash ? [right] : [Buffer.from("more"), Buffer.from("and more"), right];
  });
  await expect(settle(artifacts.fetch(formatCid(root)))).rejects.toMatchObject({ code: "ARTIFACT_FORGED" });
  expect(seen.wants).toBeLessThanOrEqual(3);
  expect(kept("honest")).toEqual([]);
  artifacts.close();
});

test("a peer that says it has everything and sends nothing is given up", async () => {
  const { honest, hostile } = await pair();
  const artifacts = await artifactsOf(honest, "honest", { idleMs: 2000, patienceMs: 2000 });
  pretend(hostile, () => []);
  const cid = formatCid({ codec: "raw", hash: hashOf(Buffer.from("wanted")) });
  await expect(settle(artifacts.fetch(cid))).rejects.toMatchObject({ code: "ARTIFACT_UNREACHABLE" });
  expect(artifacts.list()).toEqual([]);
  artifacts.close();
});

test("an honest provider makes up for one that forges", async () => {
  const { honest, hostile } = await pair();
  const third = await world.node("third");
  await world.settle(honest.mesh.connect(world.addressOf(third)));
  const [artifacts, theirs] = [await artifactsOf(honest, "honest"), await artifactsOf(third, "third")];
  const content = Buffer.concat([1, 2, 3, 4, 5].map((seed) => Buffer.alloc(CHUNK, seed)));
  const { cid } = await theirs.put([content]);
  pretend(hostile, () => [Buffer.from("something else")]);
  expect(await settle(artifacts.fetch(cid))).toMatchObject({ complete: true, bytes: content.length });
  // Both at once are one fetch; and now it is here.
  expect(await settle(artifacts.fetch(cid))).toMatchObject({ complete: true });
  artifacts.close();
  theirs.close();
});

test("two who want the same share one fetch; one that goes does not end it", async () => {
  const { honest, hostile } = await pair();
  const [artifacts, theirs] = [await artifactsOf(honest, "honest"), await artifactsOf(hostile, "hostile")];
  const { cid } = await theirs.put([Buffer.alloc(3 * CHUNK, 7), Buffer.alloc(CHUNK, 8)]);
  const leaving = new AbortController();
  const [left, stayed] = [artifacts.fetch(cid, { signal: leaving.signal }), artifacts.fetch(cid)];
  left.catch(() => undefined);
  leaving.abort();
  expect(await settle(stayed)).toMatchObject({ complete: true });
  await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
  artifacts.close();
  theirs.close();
});
