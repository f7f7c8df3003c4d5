import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../kernel/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { ArtifactStore } from "./artifact-store.ts";
import { type ArtifactLimits, defaultArtifactLimits } from "./limits.ts";
import { parseCid } from "./cid.ts";

const CHUNK = 256 * 1024;
let folder: string;
let store: MemoryStore;
let clock: VirtualClock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "easynet-artifacts-"));
  store = new MemoryStore();
  clock = new VirtualClock();
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function open(limits: Partial<ArtifactLimits> = {}): Promise<ArtifactStore> {
  return ArtifactStore.open({
    folder,
    store,
    clock,
    logger: silentLogger,
    limits: { ...defaultArtifactLimits, ...limits },
  });
}

/** Content of one chunk. */
function chunk(seed: number): Buffer {
  return Buffer.alloc(CHUNK, seed);
}

test("what a message needs stays until the message is over, unless somebody keeps it", async () => {
  const artifacts = await open({ storeBytesMax: 3 * CHUNK });
  const expiresAtMs = clock.nowMs() + 1000;
  const owed = await artifacts.put([chunk(1)], { expiresAtMs });
  const kept = await artifacts.put([chunk(2)], { expiresAtMs });
  await artifacts.keep(kept.cid, {});
  await artifacts.keep(owed.cid, { expiresAtMs: expiresAtMs - 500 });
  clock.advance(900);
  await artifacts.put([chunk(3)]);
  await artifacts.put([chunk(4)]);
  // Room was made by what nobody is owed.
  expect(artifacts.get(owed.cid)).toMatchObject({ complete: true, expiresAtMs });
  expect(artifacts.get(kept.cid)).toBeUndefined();
  await artifacts.expire();
  expect(artifacts.get(owed.cid)).toBeDefined();
  const again = await open();
  expect(again.get(owed.cid)).toMatchObject({ expiresAtMs });
  clock.advance(200);
  await again.expire();
  expect(again.list().map(({ cid }) => cid)).not.toContain(owed.cid);
  expect(again.usedBytes).toBe(2 * CHUNK);
});

test("a store of what is owed to messages refuses more, and a pin outlives the message", async () => {
  const artifacts = await open({ storeBytesMax: 2 * CHUNK });
  const expiresAtMs = clock.nowMs() + 1000;
  const [one, other] = [
    await artifacts.put([chunk(1)], { expiresAtMs }),
    await artifacts.put([chunk(2)], { expiresAtMs }),
  ];
  await expect(artifacts.put([chunk(3)])).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
  await artifacts.pin(one.cid, true);
  clock.advance(1001);
  await artifacts.expire();
  expect(artifacts.list().map(({ cid }) => cid)).toEqual([one.cid]);
  expect(artifacts.get(other.cid)).toBeUndefined();
});

async function contentOf(artifacts: ArtifactStore, cid: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of artifacts.read(cid)) parts.push(part);
  return Buffer.concat(parts);
}

test("the same chunk is kept once, and as long as one artifact has it", async () => {
  const artifacts = await open();
  const one = await artifacts.put([chunk(1), chunk(2)]);
  const other = await artifacts.put([chunk(2), chunk(3)]);
  // Three chunks, two roots.
  expect(readdirSync(folder)).toHaveLength(5);
  await artifacts.remove(one.cid);
  expect(readdirSync(folder)).toHaveLength(3);
  expect(await contentOf(artifacts, other.cid)).toEqual(Buffer.concat([chunk(2), chunk(3)]));
  await artifacts.remove(other.cid);
  expect(readdirSync(folder)).toEqual([]);
  expect(artifacts.usedBytes).toBe(0);
});

test("when it is full, what was not used for longest and is not pinned goes", async () => {
  const artifacts = await open({ storeBytesMax: 3 * CHUNK });
  const [pinned, old, used] = [
    await artifacts.put([chunk(1)], { pin: true }),
    await artifacts.put([chunk(2)]),
    await artifacts.put([chunk(3)]),
  ];
  clock.advance(10);
  await contentOf(artifacts, used.cid);
  const latest = await artifacts.put([chunk(4)]);
  expect(new Set(artifacts.list().map(({ cid }) => cid))).toEqual(new Set([pinned.cid, used.cid, latest.cid]));
  expect(artifacts.get(old.cid)).toBeUndefined();
  expect(artifacts.usedBytes).toBe(3 * CHUNK);
});

test("what does not fit is refused, and nothing of it is kept", async () => {
  const artifacts = await open({ storeBytesMax: 2 * CHUNK, artifactBytesMax: 3 * CHUNK });
  const { cid } = await artifacts.put([chunk(1)], { pin: true });
  await expect(artifacts.put([chunk(2), chunk(3)])).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
  await expect(artifacts.put([chunk(1), chunk(1), chunk(1), chunk(1)])).rejects.toMatchObject({
    code: "ARTIFACT_TOO_LARGE",
  });
  await artifacts.remove(cid);
  expect(readdirSync(folder)).toEqual([]);
  expect(artifacts.usedBytes).toBe(0);
});

test("a source that fails leaves nothing", async () => {
  const artifacts = await open();
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield chunk(1);
    throw new Error("the disk of the sender");
  }
  await expect(artifacts.put(failing())).rejects.toThrow("the disk of the sender");
  expect(artifacts.list()).toEqual([]);
  expect(artifacts.usedBytes).toBe(0);
});

test("what is being read stays", async () => {
  const artifacts = await open({ storeBytesMax: 3 * CHUNK });
  const { cid } = await artifacts.put([chunk(1), chunk(2)]);
  const reading = artifacts.read(cid);
  await reading.next();
  await expect(artifacts.remove(cid)).rejects.toMatchObject({ code: "ARTIFACT_BUSY" });
  await expect(artifacts.put([chunk(3)])).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
  await reading.return();
  await artifacts.put([chunk(3)]);
  expect(artifacts.get(cid)).toBeUndefined();
});

test("the next life finds artifacts and parts of them; what belongs to nothing goes", async () => {
  const before = await open();
  const whole = await before.put([chunk(1), chunk(2)], { pin: true });
  const donor = await before.put([chunk(3), chunk(4)]);
  const root = parseCid(donor.cid);
  const rootBlock = (await before.block(root.hash)) ?? new Uint8Array(0);
  await before.remove(donor.cid);
  const arrival = await before.arrive(root);
  await arrival.add(root.hash, rootBlock);
  writeFileSync(join(folder, "new-123"), "half a block");
  writeFileSync(join(folder, "0".repeat(64)), "a block of nothing");
  const after = await open();
  expect(readdirSync(folder)).toHaveLength(4);
  expect(after.get(whole.cid)).toMatchObject({ complete: true, pinned: true, bytes: 2 * CHUNK });
  expect(after.get(donor.cid)).toMatchObject({ complete: false });
  expect(await contentOf(after, whole.cid)).toEqual(Buffer.concat([chunk(1), chunk(2)]));
  await expect(contentOf(after, donor.cid)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
  const goesOn = await after.arrive(root);
  expect(goesOn.plan.next()).toBe(root.hash);
  expect(await goesOn.find(root.hash)).toBe(true);
  expect(goesOn.plan.bytesTotal).toBe(2 * CHUNK);
});
