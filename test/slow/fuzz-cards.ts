/**
 * Feeds altered and random signed cards to `verifyCard`: whatever comes, it must return the card that was signed, or
 * refuse with CARD_INVALID or SIGNATURE_INVALID, within a second of processor time.
 */
import * as fc from "fast-check";
import { canonicalJson } from "../../packages/easynet/src/identity/index.ts";
import { isEasynetError, type Random, seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import type { SignedCard } from "../../packages/easynet/src/model/index.ts";
import { decodeValue, encodeValue, signCard, verifyCard } from "../../packages/easynet/src/wire/index.ts";
import { CARD_KEYS, cardArbitrary } from "../arbitraries/agent-card.ts";
import { sampleCard } from "../arbitraries/sample-card.ts";
import type { SlowOptions, SlowOutcome } from "./support/slow-item.ts";

const NOW_MS = 1_900_000_000_000;
/** Of this thread's processor time, so that a busy machine is no failure. */
const CASE_CPU_MS_MAX = 1000;
const PROGRESS_EVERY_CASES = 500;
/** Cards signed once and altered many times, because making one costs far more than altering it. */
const ORIGINALS_COUNT = 200;

type Mutation = (signed: SignedCard, random: Random) => unknown;

const MUTATIONS: readonly Mutation[] = [
  replaceValues,
  removeField,
  addField,
  addPrototypeKey,
  deepen,
  inflate,
  truncateText,
  flipBytes,
  swapSignature,
  dropPart,
  (_signed, random) => oddValue(random),
];

/** One batch: `cases` cards, all choices from `seed`. */
export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const random = seededRandom(seed);
  const originals = fc.sample(cardArbitrary, { numRuns: ORIGINALS_COUNT, seed: seed | 0 }).flatMap((card) => {
    const key = CARD_KEYS.find(({ did }) => did === card.id);
    return key ? [signCard(card, key)] : [];
  });
  originals.push(signCard(sampleCard(), choose(random, CARD_KEYS.slice(0, 1))));
  const failures: string[] = [];
  const figures: Record<string, number> = { accepted: 0, cardInvalid: 0, signatureInvalid: 0 };
  for (let index = 0; index < cases; index++) {
    const original = choose(random, originals);
    const mutate = choose(random, MUTATIONS);
    const input = mutate(original, random);
    const outcome = attempt(input, original);
    if (Object.hasOwn(figures, outcome)) figures[outcome] = (figures[outcome] ?? 0) + 1;
    else failures.push(`seed ${seed}, case ${index} (${mutate.name || "oddValue"}): ${outcome}`);
    if ((index + 1) % PROGRESS_EVERY_CASES === 0) {
      onProgress(index + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  onProgress(cases);
  return { cases, failures, figures };
}

/** `accepted`, `cardInvalid` or `signatureInvalid`; anything else says what went wrong. */
function attempt(input: unknown, original: SignedCard): string {
  const startedAt = process.threadCpuUsage();
  let outcome: string;
  try {
    const card = verifyCard(input, { nowMs: NOW_MS });
    outcome =
      canonicalJson(card) === canonicalJson(original.card) ? "accepted" : "a card was accepted that was never signed";
  } catch (error) {
    if (isEasynetError(error, "CARD_INVALID")) outcome = "cardInvalid";
    else if (isEasynetError(error, "SIGNATURE_INVALID")) outcome = "signatureInvalid";
    else outcome = `it threw ${String(error)}`;
  }
  const { user, system } = process.threadCpuUsage(startedAt);
  const cpuMs = (user + system) / 1000;
  return cpuMs > CASE_CPU_MS_MAX ? `it took ${Math.round(cpuMs)} ms` : outcome;
}

function choose<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new RangeError("nothing to choose from");
  return item;
}

function oddValue(random: Random): unknown {
  const makers: readonly (() => unknown)[] = [
    () => undefined,
    () => null,
    () => "",
    () => [],
    () => ({}),
    () => random.next() < 0.5,
    () => Math.floor((random.next() - 0.5) * 2 ** 53),
    () => random.next() * 1e308 * 10,
    () => Number.NaN,
    () => -0,
    () => 2n ** 63n,
    () => "\ud800",
    () => "\u0000\u001b[2J",
    () => new Uint8Array(8),
    () => new Date(0),
    () => new Map([["a", 1]]),
    () => new Set([1]),
    () => Symbol("x"),
    () => () => 1,
    () => Array.from({ length: 3 }, () => oddValue(random)),
    () => ({ [choose(random, ["a", "__proto__", "constructor", "toString", "length"])]: oddValue(random) }),
    () => "did:key:z6Mk".padEnd(56, "z"),
  ];
  return choose(random, makers)();
}

interface Place {
  readonly parent: Record<string, unknown>;
  readonly key: string;
}

/** Every place in a copy of the card that could hold another value. */
function placesOf(root: object): Place[] {
  const places: Place[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null || ArrayBuffer.isView(node)) return;
    const parent: Record<string, unknown> = Object.assign(node);
    for (const key of Object.keys(parent)) {
      places.push({ parent, key });
      visit(parent[key]);
    }
  };
  visit(root);
  return places;
}

function replaceValues(signed: SignedCard, random: Random): unknown {
  const copy = structuredClone(signed);
  const count = 1 + Math.floor(random.next() * 3);
  for (let index = 0; index < count; index++) {
    const { parent, key } = choose(random, placesOf(copy));
    parent[key] = oddValue(random);
  }
  return copy;
}

function removeField(signed: SignedCard, random: Random): unknown {
  const copy = structuredClone(signed);
  const { parent, key } = choose(random, placesOf(copy));
  delete parent[key];
  return copy;
}

function addField(signed: SignedCard, random: Random): unknown {
  const copy = structuredClone(signed);
  const { parent } = choose(random, placesOf(copy));
  parent[choose(random, ["novel", "signatures", "", "0", "99", "constructor", "\ud800"])] = oddValue(random);
  return copy;
}

function addPrototypeKey(signed: SignedCard, random: Random): unknown {
  const copy = structuredClone(signed);
  const { parent } = choose(random, placesOf(copy));
  const value = choose<unknown>(random, [{ isAdmin: true }, null, [], "x", { card: signed.card }]);
  Object.defineProperty(parent, "__proto__", { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

function deepen(signed: SignedCard, random: Random): unknown {
  const copy = structuredClone(signed);
  const { parent, key } = choose(random, placesOf(copy));
  const levels = choose(random, [10, 31, 33, 47, 49, 200, 10_000]);
  let value = parent[key];
  for (let level = 0; level < levels; level++) value = random.next() < 0.5 ? [value] : { not: value };
  parent[key] = value;
  return copy;
}

function inflate(signed: SignedCard, random: Random): unknown {
  const copy = structuredClone(signed);
  const { parent, key } = choose(random, placesOf(copy));
  const length = choose(random, [121, 501, 2001, 65_536, 300_000]);
  const makers: readonly (() => unknown)[] = [
    () => "x".repeat(length),
    () => "字".repeat(length),
    () => Array.from({ length: Math.min(length, 70_000) }, () => ""),
    () => Object.fromEntries(Array.from({ length: Math.min(length, 5000) }, (_, index) => [`k${index}`, index])),
  ];
  parent[key] = choose(random, makers)();
  return copy;
}

function truncateText(signed: SignedCard, random: Random): unknown {
  const text = JSON.stringify(signed);
  const cut = text.slice(0, Math.floor(random.next() * text.length));
  try {
    return JSON.parse(cut + choose(random, ["", "}", "}}", '"}}', "]}}", "0}}", "]}]}}"]));
  } catch {
    // Not JSON any more: then the text itself is what a careless reader would pass on.
    return cut;
  }
}

/** As a damaged frame would bring it: MessagePack with some bytes changed, or cut. */
function flipBytes(signed: SignedCard, random: Random): unknown {
  const bytes = Uint8Array.from(encodeValue(signed));
  const flips = 1 + Math.floor(random.next() * 4);
  for (let index = 0; index < flips; index++) {
    const offset = Math.floor(random.next() * bytes.length);
    bytes[offset] = (bytes[offset] ?? 0) ^ (1 << Math.floor(random.next() * 8));
  }
  try {
    return decodeValue(random.next() < 0.8 ? bytes : bytes.subarray(0, Math.floor(random.next() * bytes.length)));
  } catch {
    return bytes;
  }
}

function swapSignature(signed: SignedCard, random: Random): unknown {
  const key = choose(random, CARD_KEYS);
  const other = signCard({ ...sampleCard(), id: key.did }, key).signature;
  const { protected: header, signature } = signed.signature;
  return {
    card: signed.card,
    signature: choose<unknown>(random, [
      other,
      { protected: header, signature: other.signature },
      { protected: other.protected, signature },
      { protected: header, signature: signature.slice(0, -1) },
      { protected: header, signature: `${signature}=` },
      { protected: `${header}A`, signature },
      { protected: Buffer.from('{"alg":"none"}').toString("base64url"), signature: "" },
    ]),
  };
}

function dropPart(signed: SignedCard, random: Random): unknown {
  return choose<unknown>(random, [
    { card: signed.card },
    { signature: signed.signature },
    { card: signed, signature: signed.signature },
    [signed.card, signed.signature],
    { ...signed, extra: true },
    signed.card,
  ]);
}
