/**
 * A2A signs the canonical JSON of a card, but its specification (8.4.1) keeps empty values that are required, and its
 * SDKs remove every empty string, list and object and every null, even inside JSON Schemas. A signature would verify
 * in one place and not in another, and would not cover what is removed (`{"not": {}}` in a schema refuses all input).
 * So the A2A form of our cards holds no empty value: each is taken out and named in a list that the signature covers.
 *
 * An entry is the value, a space and its JSON Pointer (RFC 6901): `[] /a/b`. Entries stand in document order (keys
 * sorted by UTF-16 code units), a container before what is in it; put back in that order they restore the original.
 */
import { isJsonObject } from "./json-limits.ts";

const EMPTIES: Readonly<Record<string, () => unknown>> = {
  '""': () => "",
  null: () => null,
  "[]": () => [],
  "{}": () => ({}),
};

/** `value` without empty values, and undefined properties left out; undefined when nothing is left. */
export function takeEmptyValues(value: unknown, pointer: string, taken: string[]): unknown {
  if (value === null || value === "") {
    taken.push(`${JSON.stringify(value)} ${pointer}`);
    return undefined;
  }
  if (typeof value !== "object") return value;
  const entriesBefore = taken.length;
  const kept = Array.isArray(value) ? takeFromList(value, pointer, taken) : takeFromObject(value, pointer, taken);
  if (kept !== undefined) return kept;
  taken.splice(entriesBefore, 0, `${Array.isArray(value) ? "[]" : "{}"} ${pointer}`);
  return undefined;
}

function takeFromList(list: readonly unknown[], pointer: string, taken: string[]): unknown[] | undefined {
  const kept: unknown[] = [];
  for (const [index, item] of list.entries()) {
    const rest = takeEmptyValues(item, `${pointer}/${index}`, taken);
    if (rest !== undefined) kept.push(rest);
  }
  return kept.length > 0 ? kept : undefined;
}

function takeFromObject(value: object, pointer: string, taken: string[]): Record<string, unknown> | undefined {
  const kept: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))) {
    if (item === undefined) continue;
    const rest = takeEmptyValues(item, `${pointer}/${escapeToken(key)}`, taken);
    if (rest !== undefined) kept.push([key, rest]);
  }
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** Puts the taken values back into `value`, in place. False when an entry does not fit the document. */
export function putEmptyValues(value: unknown, taken: readonly string[]): boolean {
  return taken.every((entry) => {
    const space = entry.indexOf(" ");
    const make = EMPTIES[entry.slice(0, space)];
    const [root, ...tokens] = entry.slice(space + 1).split("/");
    const last = tokens.pop();
    if (!make || root !== "" || last === undefined) return false;
    const parent = tokens.reduce(childOf, value);
    if (Array.isArray(parent)) {
      const index = /^\d+$/.test(last) ? Number(last) : Number.NaN;
      if (!(index <= parent.length)) return false;
      parent.splice(index, 0, make());
      return true;
    }
    if (!isJsonObject(parent) || last === "__proto__") return false;
    parent[unescapeToken(last)] = make();
    return true;
  });
}

function childOf(parent: unknown, token: string): unknown {
  if (Array.isArray(parent)) return parent[Number(token)];
  const key = unescapeToken(token);
  return isJsonObject(parent) && Object.hasOwn(parent, key) ? parent[key] : undefined;
}

function escapeToken(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescapeToken(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
