import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { seededRandom, silentLogger } from "../kernel/index.ts";
import type { NodeRecord } from "../model/index.ts";
import { someCapability, someRecord } from "../testing/directory-fixture.ts";
import { CountingMetrics } from "../testing/exchange-pair.ts";
import { fakeKeyPair, FakeNetwork, VirtualClock } from "../testing/index.ts";
import { encodeValue, FRAME_TYPES, type FrameType } from "../wire/index.ts";
import { createDirectory } from "./directory.ts";
import { encodeRecord, sealEntry } from "./entry-codec.ts";

const adder = { name: "adder", capabilities: [someCapability("add")] };

/** A directory and a linked peer that is no directory: it sends what the test wants. */
async function setUp() {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, latencyMs: 1 });
  const keyPair = fakeKeyPair(1);
  const mesh = network.join(keyPair.did);
  const metrics = new CountingMetrics();
  const logger = silentLogger;
  const directory = createDirectory({ mesh, keyPair, clock, random: seededRandom(1), logger, metrics, epoch: 1 });
  await directory.publish(someRecord(mesh.self));
  const enemyKey = fakeKeyPair(2);
  const enemy = network.join(enemyKey.did);
  network.link(enemy.self, mesh.self);
  const send = async (type: FrameType, body: Uint8Array): Promise<void> => {
    enemy.send(mesh.self, { lane: "control", type: FRAME_TYPES[type], body });
    await clock.advanceAsync(5);
  };
  const sendEntry = (entry: ReturnType<typeof sealEntry>, record = entry.sealed.recordBytes): Promise<void> =>
    send("directory-entries", encodeValue([[entry.sealed.header, entry.sealed.signature, 0, record ?? null]]));
  const refused = (code: string): number => metrics.counts.get(`easynet_directory_refused_total ${code}`) ?? 0;
  return { clock, network, directory, mesh, enemy, enemyKey, send, sendEntry, refused };
}

function issued(
  owner: ReturnType<typeof generateKeyPair>,
  options: { readonly at: number; readonly sequence?: number; readonly record?: NodeRecord },
) {
  const { at: issuedAtMs, sequence = 1, record = someRecord(owner.did, [adder]) } = options;
  return sealEntry(owner, { epoch: 1, sequence, issuedAtMs }, encodeRecord(record));
}

describe("a directory refuses, counts and keeps the link", () => {
  test("an entry that its owner did not sign", async () => {
    const { clock, directory, enemyKey, mesh, enemy, sendEntry, refused } = await setUp();
    const victim = generateKeyPair();
    const forged = sealEntry(
      { did: victim.did, sign: (bytes) => enemyKey.sign(bytes) },
      { epoch: 1, sequence: 1, issuedAtMs: clock.nowMs() },
      encodeRecord(someRecord(victim.did, [adder])),
    );
    await sendEntry(forged);
    expect(directory.nodes()).toHaveLength(1);
    expect(refused("SIGNATURE_INVALID")).toBe(1);
    expect(mesh.peer(enemy.self)).toBeDefined();
  });

  test("a record that is not the one that was signed", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    const entry = issued(owner, { at: clock.nowMs() });
    await sendEntry(entry, encodeRecord(someRecord(owner.did, [{ ...adder, name: "other" }])).bytes);
    expect(directory.find({ capability: "add" })).toHaveLength(0);
    expect(refused("SIGNATURE_INVALID")).toBe(1);
  });

  test("an old entry that is played again", async () => {
    const { clock, directory, sendEntry } = await setUp();
    const owner = generateKeyPair();
    const old = issued(owner, { at: clock.nowMs() });
    await sendEntry(old);
    expect(directory.find({ capability: "add" })).toHaveLength(1);
    await sendEntry(issued(owner, { at: clock.nowMs(), sequence: 2, record: someRecord(owner.did) }));
    expect(directory.find({ capability: "add" })).toHaveLength(0);
    await sendEntry(old);
    expect(directory.find({ capability: "add" })).toHaveLength(0);
  });

  test("an entry of one that left, played again", async () => {
    const { clock, directory, sendEntry } = await setUp();
    const owner = generateKeyPair();
    const old = issued(owner, { at: clock.nowMs() });
    await sendEntry(old);
    await sendEntry(sealEntry(owner, { epoch: 1, sequence: 2, issuedAtMs: clock.nowMs() }, undefined));
    expect(directory.nodes()).toHaveLength(1);
    await sendEntry(old);
    await clock.advanceAsync(60_000);
    await sendEntry(old);
    expect(directory.nodes()).toHaveLength(1);
  });

  test("an old copy that arrives for the first time long after its owner fell silent", async () => {
    const { clock, directory, sendEntry } = await setUp();
    await sendEntry(issued(generateKeyPair(), { at: clock.nowMs() - 1_000_000 }));
    await clock.advanceAsync(100_000);
    expect(directory.find({ capability: "add" })).toHaveLength(0);
    await sendEntry(issued(generateKeyPair(), { at: clock.nowMs() - 90_000_000 }));
    expect(directory.find({ capability: "add" })).toHaveLength(0);
  });

  test("a stamp more than a minute ahead; less is the difference of two clocks", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    await sendEntry(issued(generateKeyPair(), { at: clock.nowMs() + 65_000 }));
    expect(directory.nodes()).toHaveLength(1);
    expect(refused("INVALID_ARGUMENT")).toBe(1);
    await sendEntry(issued(generateKeyPair(), { at: clock.nowMs() + 55_000 }));
    expect(directory.nodes()).toHaveLength(2);
  });

  test("a record that names another owner", async () => {
    const { clock, directory, mesh, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    await sendEntry(issued(owner, { at: clock.nowMs(), record: someRecord(mesh.self, [adder]) }));
    expect(directory.nodes()).toHaveLength(1);
    expect(refused("CARD_INVALID")).toBe(1);
  });

  test("a card of an agent of another node", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    const { cards } = someRecord(generateKeyPair().did, [adder]);
    await sendEntry(issued(owner, { at: clock.nowMs(), record: { ...someRecord(owner.did), cards } }));
    expect(directory.find({ capability: "add" })).toHaveLength(0);
    expect(refused("CARD_INVALID")).toBe(1);
  });

  test("a card that was changed after its agent signed it, also when its signature was seen before", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    const record = someRecord(owner.did, [adder]);
    await sendEntry(issued(owner, { at: clock.nowMs(), record }));
    const [signed] = record.cards;
    const changed = { ...signed!, card: { ...signed!.card, capabilities: [someCapability("steal")] } };
    await sendEntry(issued(owner, { at: clock.nowMs(), sequence: 2, record: { ...record, cards: [changed] } }));
    expect(directory.find({ capability: "steal" })).toHaveLength(0);
    expect(refused("SIGNATURE_INVALID") + refused("CARD_INVALID")).toBe(1);
  });

  test("one card among many that another key signed, when they are verified elsewhere", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    const agents = Array.from({ length: 40 }, (_, index) => ({ ...adder, name: `agent${index}` }));
    const record = someRecord(owner.did, agents);
    const [first, second, ...others] = record.cards;
    const forged = { card: first!.card, signature: { ...first!.signature, signature: second!.signature.signature } };
    const bad = { ...record, cards: [second!, ...others, forged] };
    await sendEntry(issued(owner, { at: clock.nowMs(), record: bad }));
    await expect.poll(() => refused("SIGNATURE_INVALID")).toBe(1);
    expect(directory.nodes()).toHaveLength(1);
    await sendEntry(issued(owner, { at: clock.nowMs(), sequence: 2, record }));
    await expect.poll(() => directory.find({ capability: "add" }).length).toBe(40);
  });

  test("a record above 1 MiB, before anything of it is looked at", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    const record = { ...someRecord(owner.did), version: "x".repeat(1_100_000) };
    await sendEntry(issued(owner, { at: clock.nowMs(), record }));
    await clock.advanceAsync(100);
    expect(directory.nodes()).toHaveLength(1);
    expect(refused("FRAME_MALFORMED")).toBe(1);
  });

  test("an oversized field of a record", async () => {
    const { clock, directory, sendEntry, refused } = await setUp();
    const owner = generateKeyPair();
    await sendEntry(issued(owner, { at: clock.nowMs(), record: { ...someRecord(owner.did), name: "x".repeat(121) } }));
    expect(directory.nodes()).toHaveLength(1);
    expect(refused("CARD_INVALID")).toBe(1);
  });

  test("a load that cannot be", async () => {
    const { directory, enemy, mesh, send, refused } = await setUp();
    for (const load of [[-1, 0, 1, 0, 0], [0, 0, 1, 2, 0], [0, 0, 1, Number.NaN, 0], ["0", 0, 1, 0, 0], 5, []]) {
      await send("load", encodeValue(load));
    }
    expect(refused("FRAME_MALFORMED")).toBe(6);
    expect(directory.nodes()).toHaveLength(1);
    expect(mesh.peer(enemy.self)).toBeDefined();
  });

  test("whatever bytes come", async () => {
    const { enemy, mesh, send, directory } = await setUp();
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.anything({ maxDepth: 4, withTypedArray: false }).map((value) => {
        try {
          return encodeValue(value);
        } catch {
          return new Uint8Array();
        }
      }),
      fc
        .tuple(
          fc.nat(6),
          fc.array(fc.tuple(fc.constantFrom(enemy.self, mesh.self, "x"), fc.nat(), fc.nat(), fc.nat(6))),
        )
        .map(encodeValue),
    );
    const type = fc.constantFrom("directory-digest" as const, "directory-entries" as const, "load" as const);
    await fc.assert(
      fc.asyncProperty(type, message, async (frameType, body) => {
        await send(frameType, body);
        expect(mesh.peer(enemy.self)).toBeDefined();
        expect(directory.nodes().length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a directory publishes only what others will take", () => {
  test("a card of another node, a bad signature and a record above 1 MiB are refused here already", async () => {
    const { directory, mesh } = await setUp();
    const foreign = someRecord(generateKeyPair().did, [adder]).cards;
    await expect(directory.publish({ ...someRecord(mesh.self), cards: foreign })).rejects.toMatchObject({
      code: "CARD_INVALID",
    });
    const [signed] = someRecord(mesh.self, [adder]).cards;
    const bad = { ...signed!, card: { ...signed!.card, name: "renamed" } };
    await expect(directory.publish({ ...someRecord(mesh.self), cards: [bad] })).rejects.toMatchObject({
      code: expect.stringMatching("CARD_INVALID|SIGNATURE_INVALID"),
    });
    const long = someCapability("long", { description: "x".repeat(2000) });
    const agents = Array.from({ length: 40 }, (_, index) => ({
      name: `a${index}`,
      capabilities: Array.from({ length: 15 }, (_value, number) => ({ ...long, name: `long${number}` })),
    }));
    await expect(directory.publish(someRecord(mesh.self, agents))).rejects.toMatchObject({ code: "CARD_INVALID" });
    expect(directory.find({})).toHaveLength(0);
  });
});
