/** The query language of the directory: `capability:ocr lang:zh price<0.1 gpu:true tag:fast`. All terms must hold. */
import { EasynetError } from "../kernel/index.ts";
import type { NodeStatus } from "../model/index.ts";
import { nodeStatusFrom } from "../model/index.ts";
import type { FindQuery, QueryRange, RangeField } from "./types.ts";

/** Characters of a query, and terms in it. */
export const QUERY_LENGTH_MAX = 1000;
const TERMS_COUNT_MAX = 32;

const WORD_FIELDS = {
  capability: "capability",
  can: "capability",
  agent: "agent",
  node: "node",
  type: "agentType",
  kind: "capabilityType",
  pattern: "pattern",
} as const;
const RANGE_FIELDS: Readonly<Record<string, RangeField>> = {
  price: "price",
  latency: "latencyMs",
  throughput: "throughputPerSecond",
  accuracy: "accuracyRatio",
  reliability: "reliabilityRatio",
  availability: "availabilityRatio",
  cpu: "cpuCores",
  memory: "memoryMb",
  "gpu-memory": "gpuMemoryMb",
};
const BOUNDS = { "<": "below", "<=": "atMost", ">": "above", ">=": "atLeast" } as const;

const FIELD_NAMES = [...Object.keys(WORD_FIELDS), "tag", "lang", "gpu", "status", ...Object.keys(RANGE_FIELDS)];

const TERM = /^([a-z-]+)(<=|>=|<|>|:|=)("(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)/;

interface Term {
  readonly field: string;
  readonly operator: string;
  readonly value: string;
  /** Index of its first character, from 0. */
  readonly position: number;
}

type Draft = { -readonly [Key in keyof FindQuery]: FindQuery[Key] };

/** @throws {EasynetError} QUERY_INVALID with the position and what was expected there */
export function parseQuery(text: string): FindQuery {
  if (text.length > QUERY_LENGTH_MAX) throw invalid(text, QUERY_LENGTH_MAX, `it is longer than ${QUERY_LENGTH_MAX}`);
  const query: Draft = {};
  for (const term of termsOf(text)) addTerm(query, term, text);
  return query;
}

function termsOf(text: string): Term[] {
  const terms: Term[] = [];
  let position = 0;
  for (;;) {
    position += /^\s*/.exec(text.slice(position))?.[0].length ?? 0;
    if (position >= text.length) return terms;
    const match = TERM.exec(text.slice(position));
    if (!match) throw invalid(text, position, "a term is written field:value or field<number");
    if (terms.length >= TERMS_COUNT_MAX) throw invalid(text, position, `more than ${TERMS_COUNT_MAX} terms`);
    const [whole, field = "", operator = "", raw = ""] = match;
    const value = raw.startsWith('"') ? unquoted(raw) : raw;
    if (value === undefined) throw invalid(text, position, "what is quoted is written as in JSON");
    terms.push({ field, operator, value, position });
    position += whole.length;
  }
}

function addTerm(query: Draft, term: Term, text: string): void {
  const { field, operator, value, position } = term;
  const range = Object.hasOwn(RANGE_FIELDS, field) ? RANGE_FIELDS[field] : undefined;
  if (range) {
    addRange(query, range, { term, text });
    return;
  }
  if (operator !== ":" && operator !== "=") throw invalid(text, position, `${field} takes a word, as in ${field}:x`);
  if (isWordField(field)) {
    const key = WORD_FIELDS[field];
    if (query[key] !== undefined) throw invalid(text, position, `${field} is said twice`);
    query[key] = value;
  } else if (field === "tag") {
    query.tags = [...(query.tags ?? []), value];
  } else if (field === "lang") {
    query.languages = [...(query.languages ?? []), value];
  } else if (field === "gpu") {
    if (value !== "true" && value !== "false") throw invalid(text, position, "gpu is true or false");
    query.gpu = value === "true";
  } else if (field === "status") {
    query.status = statusFrom(value) ?? fail(text, position, `${value} is no status`);
  } else {
    throw invalid(text, position, `there is no field ${field}; there are ${FIELD_NAMES.join(", ")}`);
  }
}

function addRange(
  query: Draft,
  field: RangeField,
  { term, text }: { readonly term: Term; readonly text: string },
): void {
  const { operator, value, position } = term;
  const number = Number(value);
  if (value === "" || !Number.isFinite(number)) throw invalid(text, position, `${term.field} takes a number`);
  const range: QueryRange = isBound(operator) ? { [BOUNDS[operator]]: number } : { atLeast: number, atMost: number };
  query.ranges = { ...query.ranges, [field]: { ...query.ranges?.[field], ...range } };
}

/** The text of a query; parses to the same query. */
export function formatQuery(query: FindQuery): string {
  const {
    capability,
    agent,
    node,
    agentType,
    capabilityType,
    tags = [],
    languages = [],
    gpu,
    status,
    ranges = {},
  } = query;
  const words: (readonly [string, string | undefined])[] = [
    ["capability", capability],
    ["agent", agent],
    ["node", node],
    ["type", agentType],
    ["kind", capabilityType],
    ["pattern", query.pattern],
    ...tags.map((tag) => ["tag", tag] as const),
    ...languages.map((language) => ["lang", language] as const),
    ["gpu", gpu === undefined ? undefined : String(gpu)],
    ["status", status],
  ];
  const terms = words.flatMap(([field, value]) => (value === undefined ? [] : [`${field}:${JSON.stringify(value)}`]));
  for (const [name, field] of Object.entries(RANGE_FIELDS)) {
    const range = ranges[field];
    if (!range) continue;
    for (const [operator, bound] of Object.entries(BOUNDS)) {
      const value = range[bound];
      if (value !== undefined) terms.push(`${name}${operator}${value}`);
    }
  }
  return terms.join(" ");
}

function unquoted(raw: string): string | undefined {
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function statusFrom(value: string): NodeStatus | "any" | undefined {
  return value === "any" ? "any" : nodeStatusFrom(value);
}

function isWordField(field: string): field is keyof typeof WORD_FIELDS {
  return Object.hasOwn(WORD_FIELDS, field);
}

function isBound(operator: string): operator is keyof typeof BOUNDS {
  return Object.hasOwn(BOUNDS, operator);
}

function fail(text: string, position: number, reason: string): never {
  throw invalid(text, position, reason);
}

function invalid(text: string, position: number, reason: string): EasynetError {
  const near = text.slice(position, position + 30);
  return new EasynetError("QUERY_INVALID", { position: position + 1, near, reason });
}
