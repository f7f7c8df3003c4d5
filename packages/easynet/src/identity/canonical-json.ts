/**
 * JSON Canonicalization Scheme (RFC 8785): one text for one JSON value, so that a signature over it can be checked
 * anywhere. ECMAScript's own number and string serialisation is the one that the RFC prescribes (section 3.2.2), and
 * keys sort by UTF-16 code units (section 3.2.3). We refuse what the RFC leaves out (I-JSON, RFC 7493): numbers that
 * are not finite, lone surrogates, and every value that JSON does not know. Duplicate keys cannot be seen in a parsed
 * value: a parser keeps the last one.
 */
import { EasynetError } from "../kernel/index.ts";

/** Levels of arrays and objects; deeper values (and cycles) are refused before the stack could overflow. */
export const CANONICAL_DEPTH_MAX = 128;

/**
 * The canonical text of a JSON value. Properties that are `undefined` are refused, not dropped: what is not in the
 * text is not covered by a signature over it.
 * @throws {EasynetError} INVALID_ARGUMENT naming the first thing that is not I-JSON
 */
export function canonicalJson(value: unknown): string {
  return serialize(value, 0);
}

function serialize(value: unknown, depth: number): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return quote(value);
  if (typeof value === "object") return serializeObject(value, depth + 1);
  if (typeof value !== "number") return refuse(`a value of type ${typeof value}`);
  if (!Number.isFinite(value)) refuse(`the number ${value}`);
  return JSON.stringify(value);
}

function serializeObject(value: object, depth: number): string {
  if (depth > CANONICAL_DEPTH_MAX) refuse(`more than ${CANONICAL_DEPTH_MAX} levels`);
  if (Array.isArray(value)) {
    // Array.from visits holes as undefined, which is refused; map would skip them.
    return `[${Array.from(value, (item: unknown) => serialize(item, depth)).join(",")}]`;
  }
  if (!isPlainObject(value)) refuse(`an object of class ${value.constructor?.name ?? "unknown"}`);
  let members = "";
  // sort() without a comparison is that of UTF-16 code units.
  for (const key of Object.keys(value).sort()) {
    members += `${members === "" ? "" : ","}${quote(key)}:${serialize(value[key], depth)}`;
  }
  return `{${members}}`;
}

function quote(text: string): string {
  if (!text.isWellFormed()) refuse("a lone surrogate");
  return JSON.stringify(text);
}

/** Made by a literal, a parser or `Object.create(null)`; of any realm. */
function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refuse(found: string): never {
  throw new EasynetError("INVALID_ARGUMENT", { subject: "A value to sign", reason: `it holds ${found}` });
}
