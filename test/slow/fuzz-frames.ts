/**
 * Feeds random, altered and cut byte streams to what reads a link: frames, values, envelopes and the bodies of
 * control frames. Whatever comes, it must be read or refused with a FRAME_ code, without quoting what was sent, within
 * a second of processor time and without holding more than a frame.
 */
import { isEasynetError, type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import {
  decodeCredit,
  decodeGoodbye,
  decodeHello,
  decodeWelcome,
  encodeCredit,
  encodeHello,
  encodeWelcome,
} from "../../packages/easynet/src/mesh/hello.ts";
import {
  decodeEnvelope,
  decodeValue,
  encodeEnvelope,
  encodeValue,
  type Envelope,
  type Frame,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameReader,
  FrameWriter,
} from "../../packages/easynet/src/wire/index.ts";
import type { SlowOptions, SlowOutcome } from "./support/slow-item.ts";

/** Of this thread's processor time, so that a busy machine is no failure. */
const CASE_CPU_MS_MAX = 1000;
const PROGRESS_EVERY_CASES = 1000;
/** What the reader may keep: the largest frame, doubled by the growth of its buffer. */
const HELD_BYTES_MAX = 2 * (FRAME_BYTES_MAX + FRAME_HEADER_BYTES);
/** Growth of the heap over a batch, after which something is kept that should not be. */
const HEAP_GROWTH_BYTES_MAX = 256 * 1024 * 1024;
const CODES = new Set(["FRAME_MALFORMED", "FRAME_TOO_LARGE", "FRAME_TOO_DEEP", "FRAME_REPLAYED"]);
/** Stands in every text that is sent, and must stand in no error. */
const MARK = "xq7marked";
const DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";

interface Tally {
  frames: number;
  values: number;
  envelopes: number;
  refused: number;
}

/** One batch: `cases` inputs, all choices from `seed`. */
export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const random = seededRandom(seed);
  const failures: string[] = [];
  const tally: Tally = { frames: 0, values: 0, envelopes: 0, refused: 0 };
  const heapBefore = process.memoryUsage().heapUsed;
  for (let index = 0; index < cases; index++) {
    const target = choose(random, TARGETS);
    const startedAt = process.threadCpuUsage();
    const problem = target(random, tally);
    const { user, system } = process.threadCpuUsage(startedAt);
    const cpuMs = (user + system) / 1000;
    const late = cpuMs > CASE_CPU_MS_MAX ? `it took ${Math.round(cpuMs)} ms` : undefined;
    const found = problem ?? late;
    if (found !== undefined) failures.push(`seed ${seed}, case ${index} (${target.name}): ${found}`);
    if ((index + 1) % PROGRESS_EVERY_CASES === 0) {
      onProgress(index + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const grownBytes = process.memoryUsage().heapUsed - heapBefore;
  if (grownBytes > HEAP_GROWTH_BYTES_MAX) failures.push(`seed ${seed}: the heap grew by ${grownBytes} bytes`);
  if (Object.hasOwn(Object.prototype, "polluted")) failures.push(`seed ${seed}: a prototype was changed`);
  onProgress(cases);
  return { cases, failures, figures: { ...tally } };
}

type Target = (random: Random, tally: Tally) => string | undefined;

const TARGETS: readonly Target[] = [fuzzStream, fuzzStream, fuzzValue, fuzzValue, fuzzEnvelope, fuzzControl];

/** A stream of good frames, damaged, in chunks of any size. */
function fuzzStream(random: Random, tally: Tally): string | undefined {
  const bytes = damage(random, streamOf(random));
  const frames: Frame[] = [];
  let bodyProblem: string | undefined;
  const onFrame = (frame: Frame): void => {
    frames.push(frame);
    tally.frames++;
    bodyProblem ??= attempt(() => decodeValue(frame.body), tally);
  };
  const reader = new FrameReader({ lane: "normal", onFrame });
  const problem = attempt(() => {
    for (let start = 0; start < bytes.length;) {
      const size = 1 + Math.floor(random.next() ** 3 * 70_000);
      reader.push(bytes.subarray(start, start + size));
      start += size;
    }
  }, tally);
  if (frames.some((frame, index) => frame.sequence !== index + 1)) return "a frame was delivered out of turn";
  if (reader.heldBytes > HELD_BYTES_MAX) return `the reader holds ${reader.heldBytes} bytes`;
  return problem ?? bodyProblem;
}

function fuzzValue(random: Random, tally: Tally): string | undefined {
  const bytes = random.next() < 0.3 ? structured(random) : damage(random, encodeValue(valueOf(random, 0)));
  let value: unknown;
  let isRead = false;
  const problem = attempt(() => {
    value = decodeValue(bytes);
    isRead = true;
  }, tally);
  if (problem !== undefined || !isRead) return problem;
  tally.values++;
  // What was read can be written, and is the same when it is read again.
  return attempt(() => decodeValue(encodeValue(value)), { ...tally });
}

function fuzzEnvelope(random: Random, tally: Tally): string | undefined {
  const envelope: Envelope = {
    id: `${MARK}-id`,
    from: DID,
    kind: MARK,
    createdAtMs: 1_700_000_000_000,
    priority: "normal",
    hopsLeft: 3,
    depth: 0,
    lane: "high",
    sequence: 1 + Math.floor(random.next() * 2 ** 50),
    epoch: 7,
    ...(random.next() < 0.5 && { to: DID, session: MARK, budget: { money: 1, currency: "USD" } }),
    ...(random.next() < 0.5 && { grant: new Uint8Array(20), deadlineAtMs: 1_800_000_000_000 }),
  };
  const bytes = encodeEnvelope(envelope);
  const decoded: unknown = decodeValue(bytes);
  const fields: unknown[] = Array.isArray(decoded) ? decoded : [];
  if (random.next() < 0.5) fields[Math.floor(random.next() * 20)] = valueOf(random, 0);
  const input = random.next() < 0.5 ? encodeValue(fields) : damage(random, bytes);
  return attempt(() => {
    decodeEnvelope(input);
    tally.envelopes++;
  }, tally);
}

function fuzzControl(random: Random, tally: Tally): string | undefined {
  const hello = encodeHello({
    versions: { min: 1, max: 1 },
    network: DID,
    membership: new Uint8Array(30),
    name: MARK,
    epoch: 1,
    addresses: [`/ip4/10.0.0.1/tcp/7441/${MARK}`],
    frameBytesMax: FRAME_BYTES_MAX,
    features: [MARK],
  });
  const goodbye = encodeValue([MARK, MARK, false, { reason: MARK }]);
  const original = choose(random, [hello, goodbye, encodeWelcome(1), encodeCredit(2, 5000)]);
  const input = random.next() < 0.3 ? encodeValue(valueOf(random, 0)) : damage(random, original);
  // Each decoder gets each body: a peer may put any body into any frame.
  const decoders = [decodeHello, decodeWelcome, decodeCredit, (body: Uint8Array) => decodeGoodbye(body, "peer")];
  for (const decode of decoders) {
    const problem = attempt(() => decode(input), tally);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Runs a decoder; a sentence when it did anything but return or refuse as it should. */
function attempt(decode: () => unknown, tally: Tally): string | undefined {
  try {
    decode();
    return undefined;
  } catch (error) {
    if (!isEasynetError(error) || !CODES.has(error.code)) return `it threw ${String(error)}`;
    tally.refused++;
    if (error.cause !== undefined) return "the error carries a cause, which may quote what was sent";
    const said = JSON.stringify(error) + String(error.stack);
    return said.includes(MARK) ? `the error quotes what was sent: ${error.message}` : undefined;
  }
}

function streamOf(random: Random): Uint8Array {
  const sent: Uint8Array[] = [];
  const writer = new FrameWriter("normal", (bytes) => sent.push(bytes));
  const count = 1 + Math.floor(random.next() * 8);
  for (let index = 0; index < count; index++) {
    const isLarge = random.next() < 0.05;
    const body = isLarge ? new Uint8Array(Math.floor(random.next() * 40_000)) : encodeValue(valueOf(random, 0));
    writer.append({ type: 1 + Math.floor(random.next() * 255), flags: Math.floor(random.next() * 256), body });
  }
  writer.flush();
  return Uint8Array.from(Buffer.concat(sent));
}

function damage(random: Random, original: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(original);
  const dice = random.next();
  if (dice < 0.1) return bytes;
  if (dice < 0.25) return bytes.subarray(0, Math.floor(random.next() * bytes.length));
  if (dice < 0.35) return randomBytes(random, Math.floor(random.next() * 300));
  if (dice < 0.45) return Uint8Array.from(Buffer.concat([bytes, bytes]));
  if (dice < 0.55) {
    const at = Math.floor(random.next() * bytes.length);
    const more = randomBytes(random, 1 + Math.floor(random.next() * 8));
    return Uint8Array.from(Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]));
  }
  const changes = 1 + Math.floor(random.next() * 4);
  for (let count = 0; count < changes; count++) {
    const at = Math.floor(random.next() * bytes.length);
    const sharp = choose(random, [0x00, 0x7f, 0x80, 0x9f, 0xc1, 0xc6, 0xc9, 0xd4, 0xdb, 0xdd, 0xdf, 0xff]);
    bytes[at] = random.next() < 0.5 ? sharp : (bytes[at] ?? 0) ^ (1 << Math.floor(random.next() * 8));
  }
  return bytes;
}

/** Tokens in a row that are nearly MessagePack: lengths, nesting and extensions at their edges. */
function structured(random: Random): Uint8Array {
  const parts: number[] = [];
  const count = 1 + Math.floor(random.next() * 40);
  for (let index = 0; index < count; index++) {
    const token = choose(
      random,
      [0x80, 0x81, 0x90, 0x91, 0x92, 0xa0, 0xa1, 0xc0, 0xc4, 0xc5, 0xc7, 0xca, 0xcf, 0xd4, 0xd6, 0xdc, 0xde, 0x05],
    );
    parts.push(token);
    if (token >= 0xc4 && random.next() < 0.8) parts.push(...randomBytes(random, Math.floor(random.next() * 6)));
    if (token === 0xd4)
      parts.push(choose(random, [0x00, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0xff]), 0);
  }
  if (random.next() < 0.2)
    return new Uint8Array(1 + Math.floor(random.next() * 5000)).fill(choose(random, [0x91, 0x81, 0xdd]));
  return Uint8Array.from(parts);
}

function valueOf(random: Random, depth: number): unknown {
  const makers: readonly (() => unknown)[] = [
    () => null,
    () => undefined,
    () => random.next() < 0.5,
    () => Math.floor((random.next() - 0.5) * 2 ** choose(random, [4, 8, 16, 32, 54])),
    () => random.next() * 1e300,
    () => BigInt(Math.floor(random.next() * 2 ** 53)) << BigInt(Math.floor(random.next() * 100)),
    () => `${MARK}${"字".repeat(Math.floor(random.next() * 50))}`,
    () => MARK.repeat(Math.floor(random.next() * 40)),
    () => randomBytes(random, Math.floor(random.next() * 100)),
    () => Float64Array.from({ length: Math.floor(random.next() * 10) }, () => random.next()),
    () => new Date(Math.floor(random.next() * 4e12)),
    () => Array.from({ length: Math.floor(random.next() * 5) }, () => valueOf(random, depth + 1)),
    () => ({
      [choose(random, ["a", "constructor", "toString", "length", MARK])]: valueOf(random, depth + 1),
    }),
    () => JSON.parse(`{"__proto__":{"polluted":true},"${MARK}":1}`),
  ];
  return choose(random, depth > 4 ? makers.slice(0, 11) : makers)();
}

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random.next() * 256));
}

function choose<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new RangeError("nothing to choose from");
  return item;
}
