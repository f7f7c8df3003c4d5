/** Bounds on a JSON value that came from elsewhere. */
export interface JsonLimits {
  /** Levels of arrays and objects. */
  readonly depthMax: number;
  /** Characters that its JSON text has at least (escapes and multi-byte characters only make it longer). */
  readonly lengthMax: number;
}

/**
 * What keeps `value` from being JSON within the limits, as the end of a sentence ("it holds …"); undefined when
 * nothing does. MessagePack carries more than JSON (bytes, dates, maps, undefined): none of that may enter a card,
 * because a signature over JSON would not cover it. A key `__proto__` is refused before anything copies it.
 */
export function jsonProblem(value: unknown, limits: JsonLimits): string | undefined {
  let length = 0;
  const visit = (item: unknown, depth: number): string | undefined => {
    length += typeof item === "string" ? item.length + 2 : 1;
    if (length > limits.lengthMax) return `more than ${limits.lengthMax} characters`;
    if (item === null || typeof item === "boolean") return undefined;
    if (typeof item === "string") return item.isWellFormed() ? undefined : "a lone surrogate";
    if (typeof item === "number") return Number.isFinite(item) ? undefined : `the number ${item}`;
    if (typeof item !== "object") return `a value of type ${typeof item}`;
    if (depth === limits.depthMax) return `more than ${limits.depthMax} levels`;
    if (Array.isArray(item)) {
      // A list with named properties cannot come from a decoder, and no text would show them.
      return first(item, (element) => visit(element, depth + 1)) ?? extraKeys(item);
    }
    if (!isJsonObject(item)) return "something that JSON does not know";
    return first(Object.keys(item), (key) => {
      length += key.length + 2;
      if (key === "__proto__") return "the key __proto__";
      return key.isWellFormed() ? visit(item[key], depth + 1) : "a lone surrogate";
    });
  };
  return visit(value, 0);
}

/** The first problem of any element; holes count as undefined. */
function first<Item>(items: readonly Item[], problemOf: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const problem = problemOf(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function extraKeys(list: readonly unknown[]): string | undefined {
  return Object.keys(list).length === list.length ? undefined : "a list with named properties";
}

/** A plain object of any realm: what JSON calls an object. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
