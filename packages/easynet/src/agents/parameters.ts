/** One parameter of a function, in positional order. */
export interface Parameter {
  readonly name: string;
  readonly optional: boolean;
}

/** Longer sources are not parsed: a parameter list stands at the beginning. In characters. */
const SOURCE_LENGTH_MAX = 20_000;

const IDENTIFIER = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*`;
const SINGLE_ARROW = new RegExp(String.raw`^(?:async\s+)?(${IDENTIFIER})\s*=>`, "u");
const HEAD = new RegExp(
  String.raw`^(?:static\s+)?(?:async\b\s*)?(?:function\b\s*)?(?:\*\s*)?(?:#?${IDENTIFIER}\s*)?\(`,
  "u",
);
const PARAMETER = new RegExp(String.raw`^\s*(${IDENTIFIER})\s*(=[\s\S]*)?$`, "u");

/**
 * Parameter names from the source text of a function: plain identifiers, with or without default. Undefined when
 * there is anything else (rest, destructuring, native code, source that this small reader does not follow): such a
 * function takes positional arguments only. Names of minified code are useless but harmless: give `parameters`.
 */
export function parseParameters(source: string): readonly Parameter[] | undefined {
  if (source.length > SOURCE_LENGTH_MAX) return parseParameters(source.slice(0, SOURCE_LENGTH_MAX));
  const text = withoutComments(source)?.trim();
  if (text === undefined || text.startsWith("class")) return undefined;
  const single = SINGLE_ARROW.exec(text)?.[1];
  if (single !== undefined) return [{ name: single, optional: false }];
  const head = HEAD.exec(text);
  if (!head) return undefined;
  const parts = splitList(text, head[0].length);
  if (!parts || text.slice(parts.end).trim() === "{ [native code] }") return undefined;
  const parameters: Parameter[] = [];
  for (const part of parts.items) {
    const match = PARAMETER.exec(part);
    if (match?.[1] === undefined) return undefined;
    parameters.push({ name: match[1], optional: match[2] !== undefined });
  }
  return parameters;
}

/** Blanks comments out, strings kept; undefined when a string or comment does not end. */
function withoutComments(source: string): string | undefined {
  let text = "";
  let index = 0;
  // Only the head matters: stop where the body surely has begun, so that odd bodies do no harm.
  while (index < source.length) {
    const rest = source.slice(index, index + 2);
    if (rest === "//" || rest === "/*") {
      const end = source.indexOf(rest === "//" ? "\n" : "*/", index + 2);
      if (end < 0) return rest === "//" ? text : undefined;
      text += " ";
      index = end + 2 - (rest === "//" ? 1 : 0);
      continue;
    }
    const character = source.charAt(index);
    if (isQuote(character)) {
      const end = endOfString(source, index);
      if (end === undefined) return text;
      text += source.slice(index, end);
      index = end;
      continue;
    }
    text += character;
    index += 1;
  }
  return text;
}

function isQuote(character: string): boolean {
  return character === '"' || character === "'" || character === "`";
}

/** Index after the closing quote; templates with nested templates are cut short, then the list does not parse. */
function endOfString(source: string, start: number): number | undefined {
  const quote = source.charAt(start);
  for (let index = start + 1; index < source.length; index += 1) {
    const character = source.charAt(index);
    if (character === "\\") index += 1;
    else if (character === quote) return index + 1;
  }
  return undefined;
}

/** The items of a list separated by commas of its own level, up to its closing parenthesis. */
function splitList(text: string, start: number): { readonly items: string[]; readonly end: number } | undefined {
  const items: string[] = [];
  let depth = 0;
  let itemStart = start;
  for (let index = start; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (isQuote(character)) {
      const end = endOfString(text, index);
      if (end === undefined) return undefined;
      index = end - 1;
    } else if ("([{".includes(character)) depth += 1;
    else if (character === "," && depth === 0) {
      items.push(text.slice(itemStart, index));
      itemStart = index + 1;
    } else if (")]}".includes(character)) {
      if (depth === 0) {
        const last = text.slice(itemStart, index);
        if (last.trim() !== "") items.push(last);
        return { items, end: index + 1 };
      }
      depth -= 1;
    }
  }
  return undefined;
}
