/** Bodies of the three frames of spaces (docs/protocol/state.md). Counters and times travel as differences. */
import { EasynetError } from "../../kernel/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { type Dot, VersionVector, WRITERS_COUNT_MAX } from "../clocks/index.ts";
import type { DidCache } from "../did-cache.ts";
import { countFrom } from "../entry-codec.ts";
import { BUCKETS_COUNT, sumsFromBytes, sumsToBytes } from "../shares-core.ts";
import type { Entry, Incoming, Sibling } from "./entry-core.ts";
import {
  DOTS_COUNT_MAX,
  ITEMS_COUNT_MAX,
  PAGE_BYTES,
  SIBLINGS_COUNT_MAX,
  SPACE_NAME_LENGTH_MAX,
  STATE_KEY_BYTES_MAX,
  STATE_VALUE_BYTES_MAX,
} from "./limits.ts";
import type { Line, Told } from "./space-core.ts";

/** First number of a `state-sync` body. */
const KIND = { digest: 1, ask: 2, lines: 3, want: 4 } as const;
/** Bytes of an item beside its key and values, about. */
const ITEM_BYTES = 24;

export type SyncMessage =
  | {
      readonly kind: "digest";
      readonly space: string;
      readonly vectorHash: number;
      readonly salt: number;
      readonly sums: Uint32Array;
    }
  | { readonly kind: "ask"; readonly space: string; readonly vector: VersionVector }
  | {
      readonly kind: "lines";
      readonly space: string;
      readonly salt: number;
      readonly buckets: ReadonlySet<number>;
      readonly lines: readonly Line[];
      readonly vector: VersionVector;
    }
  | { readonly kind: "want"; readonly space: string; readonly keys: readonly string[] };

export interface Entries {
  readonly space: string;
  /** Place of the page in an answer, from 0; undefined when it is part of none. */
  readonly page: number | undefined;
  /** Whoever took in all pages up to the last one knows what `vector` covers. */
  readonly isLast: boolean;
  readonly vector: VersionVector;
  readonly entries: readonly (Incoming & { readonly key: string })[];
}

/** Writers by number, each with the first of its counters. */
class Writers {
  readonly #numbers = new Map<string, number>();
  readonly table: (string | number)[] = [];
  readonly #bases: number[] = [];

  add(dots: readonly Dot[], into: unknown[]): void {
    for (const { writer, counter } of dots) {
      const number = this.#numberOf(writer, counter);
      into.push(number, counter - (this.#bases[number] ?? 0));
    }
  }

  #numberOf(writer: string, counter: number): number {
    const known = this.#numbers.get(writer);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(writer, number);
    this.#bases.push(counter);
    this.table.push(writer, counter);
    return number;
  }
}

/** Changes of one writer. */
export function encodePush(space: string, told: readonly Told[]): Uint8Array {
  const writers = new Writers();
  const baseMs = told[0]?.sibling.ms ?? 0;
  const items = told.map(({ key, sibling, previous, superseded }) => {
    const item: unknown[] = [key, sibling.counter - previous];
    addSibling(sibling, item, { writers, baseMs });
    writers.add(superseded, item);
    return item;
  });
  return encodeValue([space, baseMs, writers.table, items]);
}

/** Entries in pages. @param isAnswer the pages are counted, the last one is marked, and there is at least one */
export function* encodeEntries(
  space: string,
  entries: Iterable<Pick<Entry, "key" | "siblings" | "superseded">>,
  { vector, isAnswer }: { readonly vector: VersionVector; readonly isAnswer: boolean },
): Generator<Uint8Array, void, void> {
  const known = vectorFields(vector);
  let page = new EntriesPage();
  let number = 0;
  const place = (isLast: boolean): string => (isAnswer ? `${number++}${isLast ? "." : ""}` : "");
  for (const entry of entries) {
    if (page.bytes > PAGE_BYTES) {
      yield page.encode(space, place(false), known);
      page = new EntriesPage();
    }
    page.add(entry);
  }
  if (page.bytes > 0 || isAnswer) yield page.encode(space, place(true), known);
}

class EntriesPage {
  readonly #writers = new Writers();
  readonly #items: unknown[] = [];
  #baseMs = 0;
  bytes = 0;

  add({ key, siblings, superseded }: Pick<Entry, "key" | "siblings" | "superseded">): void {
    if (this.#items.length === 0) this.#baseMs = siblings[0]?.ms ?? 0;
    const item: unknown[] = [key, siblings.length];
    for (const sibling of siblings) addSibling(sibling, item, { writers: this.#writers, baseMs: this.#baseMs });
    this.#writers.add(superseded, item);
    this.#items.push(item);
    this.bytes += key.length + ITEM_BYTES;
    for (const { value } of siblings) this.bytes += (value?.length ?? 0) + ITEM_BYTES;
  }

  encode(space: string, place: string, known: readonly unknown[]): Uint8Array {
    return encodeValue([space, place, known, this.#baseMs, this.#writers.table, this.#items]);
  }
}

export function encodeDigest(
  space: string,
  { vectorHash, salt, sums }: { readonly vectorHash: number; readonly salt: number; readonly sums: Uint32Array },
): Uint8Array {
  return encodeValue([KIND.digest, space, vectorHash, salt, sumsToBytes(sums)]);
}

export function encodeAsk(space: string, vector: VersionVector): Uint8Array {
  return encodeValue([KIND.ask, space, vectorFields(vector)]);
}

/** Whole shares in pages. @param linesOf the lines of some shares */
export function encodeLines(
  space: string,
  {
    salt,
    buckets,
    vector,
  }: { readonly salt: number; readonly buckets: readonly number[]; readonly vector: VersionVector },
  linesOf: (buckets: ReadonlySet<number>) => Iterable<Line>,
): Uint8Array[] {
  const known = vectorFields(vector);
  return buckets.map((bucket) => {
    const writers = new Writers();
    const items = Array.from(linesOf(new Set([bucket])), ({ key, dots }) => {
      const item: unknown[] = [key];
      writers.add(dots, item);
      return item;
    });
    return encodeValue([KIND.lines, space, salt, [bucket], known, writers.table, items]);
  });
}

export function encodeWant(space: string, keys: readonly string[]): Uint8Array {
  return encodeValue([KIND.want, space, keys.slice(0, ITEMS_COUNT_MAX)]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodePush(bytes: Uint8Array, dids: DidCache): { readonly space: string; readonly told: Told[] } {
  const [space, baseMs, table, items] = list(decodeValue(bytes), 4);
  const reader = new ItemReader(table, { dids, baseMs });
  const told = list(items, ITEMS_COUNT_MAX).map((item) => {
    const fields = list(item, 8 + 2 * DOTS_COUNT_MAX);
    const key = keyFrom(fields[0]);
    const sibling = reader.sibling(fields, 2);
    const previous = countFrom(sibling.counter - countFrom(fields[1], WHAT), WHAT);
    return { key, sibling, previous, superseded: reader.dots(fields, 8) };
  });
  return { space: spaceFrom(space), told };
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeEntries(bytes: Uint8Array, dids: DidCache): Entries {
  const [space, place, known, baseMs, table, items] = list(decodeValue(bytes), 6);
  const reader = new ItemReader(table, { dids, baseMs });
  const entries = list(items, ITEMS_COUNT_MAX).map((item) => {
    const fields = list(item, 2 + 6 * 2 * SIBLINGS_COUNT_MAX + 2 * DOTS_COUNT_MAX);
    const count = countFrom(fields[1], WHAT);
    if (count > 2 * SIBLINGS_COUNT_MAX) throw malformed("too many siblings");
    const siblings = Array.from({ length: count }, (_, index) => reader.sibling(fields, 2 + index * 6));
    return { key: keyFrom(fields[0]), siblings, superseded: reader.dots(fields, 2 + count * 6) };
  });
  const match = typeof place === "string" ? /^(\d{1,9})?(\.)?$/.exec(place) : undefined;
  if (!match) throw malformed("a page's place");
  const page = match[1] === undefined ? undefined : Number(match[1]);
  return { space: spaceFrom(space), page, isLast: match[2] !== undefined, vector: vectorFrom(known, dids), entries };
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeSync(bytes: Uint8Array, dids: DidCache): SyncMessage {
  const [kind, name, ...rest] = list(decodeValue(bytes), 8);
  const space = spaceFrom(name);
  switch (kind) {
    case KIND.digest: {
      const sums = sumsFromBytes(rest[2]);
      if (!sums) throw malformed("a digest's sums");
      return { kind: "digest", space, vectorHash: countFrom(rest[0], WHAT), salt: saltFrom(rest[1]), sums };
    }
    case KIND.ask:
      return { kind: "ask", space, vector: vectorFrom(rest[0], dids) };
    case KIND.lines: {
      const buckets = new Set(list(rest[1], BUCKETS_COUNT).map((bucket) => countFrom(bucket, WHAT) % BUCKETS_COUNT));
      const reader = new ItemReader(rest[3], { dids, baseMs: 0 });
      const lines = list(rest[4], ITEMS_COUNT_MAX).map((item) => {
        const fields = list(item, 1 + 2 * DOTS_COUNT_MAX);
        return { key: keyFrom(fields[0]), dots: reader.dots(fields, 1) };
      });
      return { kind: "lines", space, salt: saltFrom(rest[0]), buckets, lines, vector: vectorFrom(rest[2], dids) };
    }
    case KIND.want:
      return { kind: "want", space, keys: list(rest[0], ITEMS_COUNT_MAX).map(keyFrom) };
    default:
      throw malformed("its kind is unknown");
  }
}

const WHAT = "a state message's number";

function addSibling(
  { writer, counter, ms, count, value, revision }: Sibling,
  into: unknown[],
  { writers, baseMs }: { readonly writers: Writers; readonly baseMs: number },
): void {
  writers.add([{ writer, counter }], into);
  into.push(ms - baseMs, count, value ?? null, revision);
}

/** Reads what {@link Writers} wrote. */
class ItemReader {
  readonly #writers: { readonly writer: string; readonly base: number }[] = [];
  readonly #baseMs: number;

  constructor(table: unknown, { dids, baseMs }: { readonly dids: DidCache; readonly baseMs: unknown }) {
    this.#baseMs = countFrom(baseMs, WHAT);
    const fields = list(table, 2 * WRITERS_COUNT_MAX);
    for (let index = 0; index < fields.length; index += 2) {
      this.#writers.push({ writer: dids.parse(fields[index]), base: countFrom(fields[index + 1], WHAT) });
    }
  }

  dots(fields: readonly unknown[], from: number): Dot[] {
    const dots: Dot[] = [];
    for (let at = from; at < fields.length; at += 2) dots.push(this.#dot(fields[at], fields[at + 1]));
    return dots;
  }

  sibling(fields: readonly unknown[], from: number): Sibling {
    const { writer, counter } = this.#dot(fields[from], fields[from + 1]);
    const ms = countFrom(this.#baseMs + numberFrom(fields[from + 2]), WHAT);
    const count = countFrom(fields[from + 3], WHAT);
    const value = fields[from + 4] ?? undefined;
    if (value !== undefined && !(value instanceof Uint8Array)) throw malformed("a value");
    if (value && value.length > STATE_VALUE_BYTES_MAX) throw malformed("a value's length");
    // What cannot be read is refused here, and not when somebody reads it.
    if (value) decodeValue(value);
    return { writer, counter, ms, count, value, revision: countFrom(fields[from + 5], WHAT) };
  }

  #dot(number: unknown, offset: unknown): Dot {
    const found = typeof number === "number" ? this.#writers[number] : undefined;
    if (!found) throw malformed("a writer's number");
    return { writer: found.writer, counter: countFrom(found.base + numberFrom(offset), WHAT) };
  }
}

export function vectorFields(vector: VersionVector): readonly (string | number)[] {
  return [...vector.entries()].flat();
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function vectorFrom(value: unknown, dids: DidCache): VersionVector {
  const fields = list(value, 2 * WRITERS_COUNT_MAX);
  const vector = new VersionVector();
  for (let index = 0; index < fields.length; index += 2) {
    vector.advance(dids.parse(fields[index]), countFrom(fields[index + 1], WHAT));
  }
  return vector;
}

function numberFrom(value: unknown): number {
  const read = typeof value === "bigint" ? Number(value) : value;
  if (typeof read !== "number" || !Number.isSafeInteger(read)) throw malformed("a difference");
  return read;
}

function saltFrom(value: unknown): number {
  const salt = countFrom(value, WHAT);
  if (salt > 0xffff_ffff) throw malformed("a salt");
  return salt;
}

function spaceFrom(value: unknown): string {
  if (typeof value !== "string" || value.length > SPACE_NAME_LENGTH_MAX) throw malformed("a space's name");
  return value;
}

function keyFrom(value: unknown): string {
  if (typeof value !== "string" || value === "" || Buffer.byteLength(value) > STATE_KEY_BYTES_MAX) {
    throw malformed("a key");
  }
  return value;
}

function list(value: unknown, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list");
  return value;
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `state message: ${what}` });
}
