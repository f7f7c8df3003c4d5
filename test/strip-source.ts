/**
 * Source text without its comments, or without the insides of its strings, so that rules about code do not trip over
 * prose. A small scanner instead of a parser: TypeScript 7 has no compiler API, and the gates must not depend on more.
 */
type Kind = "code" | "line-comment" | "block-comment" | "string" | "template" | "regex";

interface Piece {
  readonly kind: Kind;
  readonly text: string;
}

/** After these a slash starts a regular expression; after anything else it divides. */
const BEFORE_REGEX = /(^|[(,=:[!&|?{};+\-*%<>~^]|\b(return|typeof|case|in|of|do|else|yield|await|void|throw))\s*$/;

/** Comments become spaces; line breaks stay, so that line numbers do. */
export function stripComments(source: string): string {
  return pieces(source)
    .map(({ kind, text }) => (kind === "line-comment" || kind === "block-comment" ? blank(text) : text))
    .join("");
}

/** Strings, templates and regular expressions keep their quotes and lose their insides; `${…}` in templates stays code. */
export function stripStrings(source: string): string {
  return pieces(source)
    .map(({ kind, text }) => {
      if (kind === "code" || kind === "line-comment" || kind === "block-comment") return text;
      return text.length < 2 ? text : `${text.charAt(0)}${blank(text.slice(1, -1))}${text.at(-1) ?? ""}`;
    })
    .join("");
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

function pieces(source: string): readonly Piece[] {
  const found: Piece[] = [];
  let code = "";
  /** One entry for each template that we are inside of: how many braces of its `${` are open. */
  const braces: number[] = [];
  let at = 0;
  const take = (kind: Kind, end: number): void => {
    if (code !== "") found.push({ kind: "code", text: code });
    code = "";
    found.push({ kind, text: source.slice(at, end) });
    at = end;
  };
  while (at < source.length) {
    const char = source.charAt(at);
    const next = source.charAt(at + 1);
    if (char === "/" && next === "/") take("line-comment", endOfLine(source, at));
    else if (char === "/" && next === "*") take("block-comment", endOfBlock(source, at));
    else if (char === '"' || char === "'") take("string", endOfQuoted(source, at, char));
    else if (char === "`") take("template", endOfTemplate(source, at, braces));
    else if (char === "}" && braces.at(-1) === 0) {
      braces.pop();
      take("template", endOfTemplate(source, at, braces));
    } else if (char === "/" && BEFORE_REGEX.test(code === "" ? "" : code.slice(-40)) && mayBeRegex(found, code)) {
      take("regex", endOfRegex(source, at));
    } else {
      const depth = braces.at(-1);
      if (depth !== undefined && char === "{") braces[braces.length - 1] = depth + 1;
      if (depth !== undefined && char === "}") braces[braces.length - 1] = depth - 1;
      code += char;
      at += 1;
    }
  }
  if (code !== "") found.push({ kind: "code", text: code });
  return found;
}

/** Directly after a string or a regular expression a slash divides. */
function mayBeRegex(found: readonly Piece[], code: string): boolean {
  if (code.trim() !== "") return true;
  const last = found.findLast(({ kind }) => kind !== "line-comment" && kind !== "block-comment");
  return last === undefined || last.kind === "code" || (last.kind === "template" && last.text.endsWith("{"));
}

function endOfLine(source: string, from: number): number {
  const index = source.indexOf("\n", from);
  return index === -1 ? source.length : index;
}

function endOfBlock(source: string, from: number): number {
  const index = source.indexOf("*/", from + 2);
  return index === -1 ? source.length : index + 2;
}

function endOfQuoted(source: string, from: number, quote: string): number {
  let at = from + 1;
  while (at < source.length && source.charAt(at) !== quote && source.charAt(at) !== "\n") {
    at += source.charAt(at) === "\\" ? 2 : 1;
  }
  return Math.min(at + 1, source.length);
}

/** Up to the closing backtick, or up to and with `${`, whose code follows. */
function endOfTemplate(source: string, from: number, braces: number[]): number {
  let at = from + 1;
  while (at < source.length && source.charAt(at) !== "`") {
    if (source.startsWith("${", at)) {
      braces.push(0);
      return at + 2;
    }
    at += source.charAt(at) === "\\" ? 2 : 1;
  }
  return Math.min(at + 1, source.length);
}

function endOfRegex(source: string, from: number): number {
  let at = from + 1;
  let inClass = false;
  while (at < source.length && source.charAt(at) !== "\n" && (inClass || source.charAt(at) !== "/")) {
    const char = source.charAt(at);
    if (char === "[") inClass = true;
    if (char === "]") inClass = false;
    at += char === "\\" ? 2 : 1;
  }
  return Math.min(at + 1, source.length);
}
