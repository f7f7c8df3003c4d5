import { dirname, join, normalize } from "node:path/posix";
import { LAYERS, PURE_FILES, PURE_FOLDERS } from "../scripts/layers.ts";
import { stripComments, stripStrings } from "./strip-source.ts";
import type { SourceFile } from "./source-files.ts";

/** Lines of code a file may have; blank lines and comments do not count, so that nobody saves on either. */
export const CODE_LINES_MAX = 400;

const SOURCE = "packages/easynet/src/";

const ROWS: ReadonlyMap<string, number> = new Map(
  LAYERS.flatMap((row, index) => row.map((folder) => [folder, index] as const)),
);

const PURE_FILE = new RegExp(
  `^(${PURE_FILES.map((name) => name.replaceAll(".", "\\.").replaceAll("*", ".*")).join("|")})$`,
);

/** What a deterministic file may not touch; it gets ports instead (kernel/clock.ts, random.ts). */
const IMPURE = [
  /(?<![.\w$])(Date|performance|setTimeout|setInterval|setImmediate|fetch)\b(?!\s*\??:)/,
  /\bMath\s*\.\s*random\b/,
  /\bglobalThis\b/,
  /(?<![.\w$])process\s*\./,
];

/** Comments that switch a tool off. `@ts-expect-error` is how a test shows that something does not compile. */
const DISABLE = /(ox|es)lint-disable|@ts-(ignore|nocheck)|(oxfmt|prettier)-ignore|(v8|c8|istanbul) ignore/;

/** The words of a rule and the place, e.g. `wire/frame.ts:3: imports node:net, but wire/ does no I/O`. */
export function findViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => check(file).map((problem) => `${file.path}${problem}`));
}

function check({ path, text }: SourceFile): readonly string[] {
  const code = stripComments(text);
  const isTest = path.endsWith(".test.ts");
  const problems = [...generalProblems(path, text, code)];
  if (path.startsWith(SOURCE) && !isTest) problems.push(...layerProblems(path, code), ...purityProblems(path, code));
  return problems;
}

function* generalProblems(path: string, text: string, code: string): Generator<string> {
  // The rules themselves and their test have to write the forbidden words.
  if (path.startsWith("test/architecture")) return;
  const bare = stripStrings(code);
  if (DISABLE.test(text) || (text.includes("@ts-expect-error") && !path.endsWith(".test.ts"))) {
    yield ": switches a check off by a comment";
  }
  if (/\b(TODO|FIXME|XXX|HACK)\b/.test(text)) yield ": leaves work in a comment; do it, or write an issue";
  if (/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s/m.test(bare))
    yield ": declares an enum, which type stripping refuses";
  if (/^\s*(export\s+)?(declare\s+)?namespace\s+[\w.]+\s*\{/m.test(bare)) yield ": declares a namespace";
  if (/^\s*@[A-Za-z_][\w.]*(\(|\s|$)/m.test(bare)) yield ": uses a decorator, which does not run";
  if (/^\s*export\s*\*/m.test(bare)) yield ": exports *; name what it exports";
  if (path.endsWith("/index.ts") && /^\s*export\s+default\b/m.test(bare)) yield ": exports a default from an index";
  const lines = code.split("\n").filter((line) => line.trim() !== "").length;
  if (lines > CODE_LINES_MAX) yield `: has ${lines} lines of code, more than ${CODE_LINES_MAX}`;
}

function* layerProblems(path: string, code: string): Generator<string> {
  const folder = folderOf(path);
  const row = folder === undefined ? undefined : ROWS.get(folder);
  if (folder !== undefined && folder !== "testing" && row === undefined) {
    yield `: is in the folder ${folder}/, which scripts/layers.ts does not name`;
  }
  for (const specifier of importsOf(code)) {
    if (!specifier.startsWith(".")) continue;
    const target = normalize(join(dirname(path), specifier));
    if (!target.startsWith(SOURCE)) {
      yield `: imports ${specifier}, which lies outside the sources of the package`;
      continue;
    }
    const problem = importProblem(folder, folderOf(target), target);
    if (problem !== undefined) yield `: imports ${specifier}, ${problem}`;
  }
}

function importProblem(from: string | undefined, to: string | undefined, target: string): string | undefined {
  if (to === from) return undefined;
  if (to === undefined) return "a file that belongs to no folder";
  if (to === "testing") return "but nothing outside testing/ may use the test kit";
  if (!target.endsWith(`/${to}/index.ts`)) return `but another folder is entered through ${to}/index.ts`;
  if (from === undefined || from === "testing") return undefined;
  const [own, other] = [ROWS.get(from), ROWS.get(to)];
  if (own === undefined || other === undefined || other < own) return undefined;
  return other === own ? `but ${to}/ stands beside ${from}/` : `but ${to}/ stands above ${from}/`;
}

function* purityProblems(path: string, code: string): Generator<string> {
  const folder = folderOf(path);
  const file = path.split("/").at(-1) ?? "";
  if (!(folder !== undefined && PURE_FOLDERS.includes(folder)) && !PURE_FILE.test(file)) return;
  for (const specifier of importsOf(code)) {
    if (specifier.startsWith("node:") && specifier !== "node:crypto")
      yield `: imports ${specifier}, but it does no I/O`;
  }
  const bare = stripStrings(code);
  for (const pattern of IMPURE) {
    const found = pattern.exec(bare);
    if (found) yield `: uses ${found[0].trim()}, but time, chance and I/O are ports`;
  }
}

/** The folder of src that a file is in; undefined for files directly in src. */
function folderOf(path: string): string | undefined {
  const [folder, file] = path.slice(SOURCE.length).split("/");
  return file === undefined ? undefined : folder;
}

/** Every module that the code names: static and dynamic imports, re-exports, workers by URL and `require`. */
export function importsOf(code: string): readonly string[] {
  const patterns = [
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\b(?:import|require)\s*\(\s*["'`]([^"'`]+)["'`]/g,
    /\bnew\s+URL\(\s*["'`](\.[^"'`]+\.[jt]s)["'`]\s*,\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, specifier = ""]) => specifier));
}

/**
 * Every file that is loaded when `entry` starts, with the shortest way there; dynamic imports and type imports do not
 * load anything. Bare names (`libp2p`) stand for themselves.
 */
export function loadedBy(entry: string, files: readonly SourceFile[]): ReadonlyMap<string, readonly string[]> {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const ways = new Map<string, readonly string[]>([[entry, [entry]]]);
  for (const [path, way] of ways) {
    for (const specifier of staticImportsOf(stripComments(texts.get(path) ?? ""))) {
      const target = specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : specifier;
      if (!ways.has(target)) ways.set(target, [...way, target]);
    }
  }
  return ways;
}

function staticImportsOf(code: string): readonly string[] {
  const patterns = [
    /^\s*(?:import|export)\b(?!\s+type\b)[^;"']*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, specifier = ""]) => specifier));
}
