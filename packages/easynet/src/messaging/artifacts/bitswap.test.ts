import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifies } from "../../../../../test/requirements.ts";
import { type Did, generateKeyPair } from "../../identity/index.ts";
import { EasynetError, noMetrics, silentLogger } from "../../kernel/index.ts";
import type { Guest, Guests, LaneStream } from "../../mesh/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { ArtifactStore } from "./artifact-store.ts";
import { Bitswap } from "./bitswap.ts";
import { BitswapReader, encodeBitswap } from "./bitswap-core.ts";
import { formatCid, parseCid } from "./cid.ts";
import { defaultArtifactLimits } from "./limits.ts";

verifies("messaging:bulk:ipfs");
const MIB = 1024 * 1024;
const AT = "/ip4/127.0.0.1/tcp/1";
let folder: string;
let clock: VirtualClock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "easynet-bitswap-"));
  clock = new VirtualClock();
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** One end of the only connection there is. */
class End implements Guests {
  readonly self: Did = generateKeyPair().did;
  other: End | undefined;
  aborted: Error | undefined;
  dials = 0;
  /** Whole messages as they were sent. */
  readonly sent: Uint8Array[] = [];
  #handler: ((guest: Guest, stream: LaneStream) => void) | undefined;

  async handle(_: string, handler: (guest: Guest, stream: LaneStream) => void): Promise<void> {
    this.#handler = handler;
  }

  async dial(): Promise<Guest> {
    this.dials++;
    return this.guest("outbound");
  }

  guest(direction: Guest["direction"]): Guest {
    const abort = (reason: Error): void => void (this.aborted = reason);
    const open = async (): Promise<LaneStream> => this.#streamTo((bytes) => this.other?.arrive(bytes));
    return { remote: this.other?.self ?? this.self, direction, open, onClose: () => undefined, abort };
  }

  arrive(bytes: Uint8Array): void {
    let listener: ((chunk: Uint8Array) => void) | undefined;
    const stream = {
      ...this.#streamTo(() => undefined),
      onData: (handler: typeof listener) => void (listener = handler),
    };
    this.#handler?.(this.guest("inbound"), stream);
    // In pieces, as a network has it.
    for (let offset = 0; offset < bytes.length; offset += 50_000) listener?.(bytes.subarray(offset, offset + 50_000));
  }

  #streamTo(send: (bytes: Uint8Array) => void): LaneStream {
    return {
      bufferedBytes: 0,
      send: (bytes) => {
        this.sent.push(bytes);
        queueMicrotask(() => send(bytes));
        return true;
      },
      onData: () => undefined,
      onDrain: () => undefined,
      onClose: () => undefined,
      close: async () => undefined,
      abort: () => undefined,
    };
  }
}

async function openEnd(name: string, peers: readonly string[] = []) {
  const [limits, guests] = [defaultArtifactLimits, new End()];
  const shared = { clock, logger: silentLogger, limits };
  const artifacts = await ArtifactStore.open({ ...shared, folder: join(folder, name), store: new MemoryStore() });
  const bitswap = new Bitswap({ ...shared, metrics: noMetrics, guests, peers, artifacts });
  await bitswap.start();
  const get = async (cid: string, signal = new AbortController().signal) =>
    bitswap.fetch(parseCid(cid), await artifacts.arrive(parseCid(cid)), signal);
  return { artifacts, guests, get };
}

async function pair() {
  const [giver, taker] = [await openEnd("giver"), await openEnd("taker", [AT])];
  giver.guests.other = taker.guests;
  taker.guests.other = giver.guests;
  return { giver, taker };
}

async function contentOf(artifacts: ArtifactStore, cid: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of artifacts.read(cid)) parts.push(part);
  return Buffer.concat(parts);
}

test.for([0, 1000, 3 * MIB])("an artifact of %i bytes that is public goes over", async (size) => {
  const { giver, taker } = await pair();
  const content = randomBytes(size);
  const { cid } = await giver.artifacts.put([content], { public: true });
  await expect(taker.get(cid)).resolves.toMatchObject({ cid, bytes: size, complete: true });
  expect((await contentOf(taker.artifacts, cid)).equals(content)).toBe(true);
  expect(taker.guests.dials).toBe(1);
});

test("what is not public is answered as what is not there, byte for byte", async () => {
  const { giver, taker } = await pair();
  const { cid } = await giver.artifacts.put([randomBytes(1000)]);
  const unknown = formatCid({ codec: "raw", hash: "ab".repeat(32) });
  await expect(taker.get(cid)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
  await expect(taker.get(unknown)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
  const [one, other] = giver.guests.sent.map((bytes) => Buffer.from(bytes).toString("hex"));
  expect(one).toBe(other?.replaceAll("ab".repeat(32), parseCid(cid).hash));
  expect(taker.artifacts.list()).toEqual([]);
});

test("a block that a private artifact shares with a public one is public as long as that is there", async () => {
  const { giver, taker } = await pair();
  const [shared, own] = [randomBytes(256 * 1024), randomBytes(10)];
  const secret = await giver.artifacts.put([shared, own]);
  const { cid } = await giver.artifacts.put([shared], { public: true });
  await expect(taker.get(cid)).resolves.toMatchObject({ complete: true });
  await taker.artifacts.remove(cid);
  await expect(taker.get(secret.cid)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
  await giver.artifacts.remove(cid);
  await expect(taker.get(cid)).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
});

test("it stays public over a restart, and when it is put again without saying so", async () => {
  const store = new MemoryStore();
  const options = { folder, store, clock, logger: silentLogger, limits: defaultArtifactLimits };
  const before = await ArtifactStore.open(options);
  const { cid } = await before.put([Buffer.from("x")], { public: true });
  await before.put([Buffer.from("x")]);
  await before.put([Buffer.from("y")]);
  const after = await ArtifactStore.open(options);
  expect(after.list().map((each) => [each.cid === cid, each.public])).toEqual(
    expect.arrayContaining([
      [true, true],
      [false, undefined],
    ]),
  );
  expect(after.isPublic(parseCid(cid).hash)).toBe(true);
});

describe("bad peers", () => {
  test("one that says nothing is given up", async () => {
    const { taker } = await pair();
    taker.guests.other = new End();
    const got = taker.get(formatCid({ codec: "raw", hash: "ab".repeat(32) }));
    got.catch(() => undefined);
    while (taker.guests.sent.length === 0) await new Promise(setImmediate);
    await clock.advanceAsync(defaultArtifactLimits.idleMs + 1);
    await expect(got).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
  });

  test("other bytes than those asked for are not taken", async () => {
    const { taker } = await pair();
    const liar = new End();
    taker.guests.other = liar;
    liar.other = taker.guests;
    const cid = { codec: "raw", hash: "ab".repeat(32) } as const;
    const answer = encodeBitswap({ blocks: [{ cid, bytes: randomBytes(100) }], missing: [cid] });
    await liar.handle("", () => taker.guests.arrive(answer));
    await expect(taker.get(formatCid(cid))).rejects.toMatchObject({ code: "ARTIFACT_NOT_FOUND" });
    expect(taker.artifacts.usedBytes).toBe(0);
  });

  test("what is no message, or too long for a stranger's, ends its connection", async () => {
    for (const bytes of [
      Buffer.from([3, 0x0a, 0xff, 0x01]),
      Buffer.from([0x80, 0x80, 0x80, 0x01]),
      Buffer.alloc(11, 0xff),
    ]) {
      const { giver } = await pair();
      giver.guests.arrive(bytes);
      expect(giver.guests.aborted).toBeInstanceOf(Error);
    }
  });

  test("an address of another transport is refused at the start", async () => {
    await expect(openEnd("odd", ["/ip4/127.0.0.1/udp/1/quic-v1"])).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(openEnd("odd", ["nonsense"])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

const cidArb = fc.record({
  codec: fc.constantFrom("raw" as const, "dag-pb" as const),
  hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex")),
});
const flags = { cancel: fc.boolean(), haveOnly: fc.boolean(), tellMissing: fc.boolean() };
const messageArb = fc.record({
  wants: fc.array(fc.record({ cid: cidArb, ...flags }), { maxLength: 5 }),
  blocks: fc.array(fc.record({ cid: cidArb, bytes: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 3 }),
  have: fc.array(cidArb, { maxLength: 3 }),
  missing: fc.array(cidArb, { maxLength: 3 }),
});

test("messages are read as they were written, however the network cuts them", () => {
  fc.assert(
    fc.property(fc.array(messageArb, { maxLength: 3 }), fc.integer({ min: 1, max: 400 }), (messages, step) => {
      const bytes = Buffer.concat(messages.map((message) => encodeBitswap(message)));
      const reader = new BitswapReader(MIB);
      const read: unknown[] = [];
      for (let offset = 0; offset < bytes.length; offset += step) {
        read.push(...reader.push(bytes.subarray(offset, offset + step)));
      }
      const plain = messages.map(({ blocks, ...rest }) => ({
        ...rest,
        blocks: blocks.map((block) => Buffer.from(block.bytes)),
      }));
      expect(read).toEqual(plain);
    }),
  );
});

function codeOfReading(bytes: Uint8Array): unknown {
  try {
    return [...new BitswapReader(100).push(bytes)].length < 200;
  } catch (error) {
    return error instanceof EasynetError ? error.code : error;
  }
}

test("any bytes are messages or FRAME_MALFORMED, nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect([true, "FRAME_MALFORMED"]).toContain(codeOfReading(bytes));
    }),
  );
});
