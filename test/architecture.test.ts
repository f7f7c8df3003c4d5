import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LAYERS } from "../scripts/layers.ts";
import { CODE_LINES_MAX, findViolations, importsOf, loadedBy } from "./architecture-rules.ts";
import { readFiles, ROOT } from "./source-files.ts";
import { stripComments, stripStrings } from "./strip-source.ts";

const SOURCE = "packages/easynet/src";

function violationsOf(path: string, text: string): readonly string[] {
  return findViolations([{ path: `${SOURCE}/${path}`, text }]);
}

describe("the sources", () => {
  test("keep every rule of docs/architecture.md", () => {
    const files = [SOURCE, "bench", "suites", "test", "examples", "scripts"].flatMap((folder) =>
      readFiles(folder, ".ts"),
    );
    expect(files.length).toBeGreaterThan(40);
    expect(findViolations(files)).toEqual([]);
  });

  test("have no folder that the list of layers does not name, and the list none twice", () => {
    const listed = LAYERS.flat();
    expect(new Set(listed).size).toBe(listed.length);
    const folders = readdirSync(join(ROOT, SOURCE), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const unknown = folders.map(({ name }) => name).filter((name) => name !== "testing" && !listed.includes(name));
    expect(unknown).toEqual([]);
  });
});

describe("the command", () => {
  /** What takes long to load, or belongs to a running node and not to a command that asks one. */
  const HEAVY = /^(libp2p|@libp2p\/.*|fastify|piscina|node:sqlite)$|\/src\/(mesh|storage|messaging|state|gateway)\//;

  test("loads no mesh, no store and no server before it knows that it needs them", () => {
    const entry = `${SOURCE}/cli/main.ts`;
    const files = readFiles(SOURCE, ".ts");
    expect(files.map(({ path }) => path)).toContain(entry);
    const heavy = [...loadedBy(entry, files)].filter(([target]) => HEAVY.test(target));
    expect(heavy.map(([, way]) => way.join(" > "))).toEqual([]);
  });

  test("would be found out if it did, by the way it takes", () => {
    const files = [
      {
        path: `${SOURCE}/cli/main.ts`,
        text: 'import { up } from "./up.ts";\nimport type { Mesh } from "../mesh/index.ts";',
      },
      {
        path: `${SOURCE}/cli/up.ts`,
        text: 'export { x } from "../node/index.ts";\nawait import("../gateway/index.ts");',
      },
      { path: `${SOURCE}/node/index.ts`, text: 'import { libp2p } from "libp2p";' },
    ];
    const loaded = loadedBy(`${SOURCE}/cli/main.ts`, files);
    expect(loaded.get("libp2p")?.length).toBe(4);
    expect([...loaded.keys()].filter((target) => HEAVY.test(target))).toEqual(["libp2p"]);
  });
});

describe("the checker finds", () => {
  const PLANTED: readonly (readonly [what: string, path: string, text: string, complaint: string])[] = [
    ["an import of a higher layer", "wire/a.ts", 'import { x } from "../mesh/index.ts";', "stands above"],
    ["a type import of a higher layer", "kernel/a.ts", 'import type { X } from "../node/index.ts";', "stands above"],
    ["an import over several lines", "wire/a.ts", 'import {\n  x,\n  y,\n} from "../mesh/index.ts";', "stands above"],
    ["a re-export of a higher layer", "kernel/index.ts", 'export { x } from "../cli/index.ts";', "stands above"],
    ["a dynamic import", "storage/a.ts", 'const x = await import("../node/index.ts");', "stands above"],
    ["an import type", "storage/a.ts", 'let x: import("../node/index.ts").Y;', "stands above"],
    ["an import for its effect", "storage/a.ts", 'import "../node/index.ts";', "stands above"],
    ["an import between neighbours", "identity/a.ts", 'import { x } from "../model/index.ts";', "stands beside"],
    ["a way past the index", "mesh/a.ts", 'import { x } from "../kernel/clock.ts";', "through kernel/index.ts"],
    [
      "a way past a deep index",
      "mesh/a.ts",
      'import { x } from "../kernel/inner/index.ts";',
      "through kernel/index.ts",
    ],
    ["a way in from a subfolder", "mesh/deep/a.ts", 'import { x } from "../../node/index.ts";', "stands above"],
    ["the test kit in the product", "mesh/a.ts", 'import { x } from "../testing/index.ts";', "test kit"],
    ["the test kit in the package index", "index.ts", 'export { x } from "./testing/index.ts";', "test kit"],
    ["an import from outside", "mesh/a.ts", 'import { x } from "../../../../bench/a.ts";', "outside the sources"],
    ["a folder that nobody listed", "magic/a.ts", "export const x = 1;", "does not name"],
    ["a module with I/O in a pure folder", "wire/a.ts", 'import { connect } from "node:net";', "does no I/O"],
    ["a module with I/O in a core", "mesh/core.ts", 'import { readFile } from "node:fs";', "does no I/O"],
    ["a clock in a core", "mesh/swim-core.ts", "const now = Date.now();", "uses Date"],
    ["a new Date in a pure folder", "model/a.ts", "const now = new Date();", "uses Date"],
    ["a timer in a pure folder", "identity/a.ts", "setTimeout(() => 1, 5);", "uses setTimeout"],
    ["performance in a pure folder", "wire/a.ts", "performance.now()", "uses performance"],
    ["chance in a core", "state/core.ts", "const x = Math.random();", "uses Math.random"],
    ["the network in a pure folder", "model/a.ts", 'await fetch("http://x");', "uses fetch"],
    ["a way round by the global object", "model/a.ts", "globalThis.setTimeout(f, 1);", "uses globalThis"],
    ["the clock inside a template", "model/a.ts", "const x = `at ${Date.now()}`;", "uses Date"],
    ["a decorator", "node/a.ts", "class A {\n  @register\n  run() {}\n}", "decorator"],
    ["a decorator with arguments", "node/a.ts", '@agent("x")\nclass A {}', "decorator"],
    ["an enum", "model/a.ts", "export enum A { B }", "enum"],
    ["a const enum", "model/a.ts", "const enum A { B }", "enum"],
    ["a namespace", "model/a.ts", "export namespace A {\n}", "namespace"],
    [
      "a comment that disables lint",
      "cli/a.ts",
      "// oxlint-disable-next-line no-console\nx();",
      "switches a check off",
    ],
    ["a comment that disables types", "cli/a.ts", "// @ts-ignore\nx();", "switches a check off"],
    ["an expected error outside a test", "cli/a.ts", "// @ts-expect-error\nx();", "switches a check off"],
    ["a note to do something later", "cli/a.ts", "// TODO later\nx();", "leaves work"],
    ["an export of everything", "kernel/index.ts", 'export * from "./clock.ts";', "exports *"],
    ["a default export of an index", "kernel/index.ts", "export default 1;", "default"],
    ["a file that is too long", "cli/a.ts", "x();\n".repeat(CODE_LINES_MAX + 1), "lines of code"],
  ];

  test.each(PLANTED)("%s", (_, ...[path, text, complaint]) => {
    expect(violationsOf(path, text).join("\n")).toContain(complaint);
  });
});

describe("the checker accepts", () => {
  const FINE: readonly (readonly [what: string, path: string, text: string])[] = [
    [
      "imports down the list",
      "mesh/a.ts",
      'import { x } from "../kernel/index.ts";\nimport type { Y } from "../wire/index.ts";',
    ],
    ["imports within a folder", "mesh/deep/a.ts", 'import { x } from "../core.ts";'],
    ["synchronous cryptography in a pure folder", "identity/a.ts", 'import { sign } from "node:crypto";'],
    [
      "I/O where it belongs",
      "storage/a.ts",
      'import { readFile } from "node:fs/promises";\nsetTimeout(f, Date.now());',
    ],
    [
      "forbidden words in comments",
      "wire/a.ts",
      "/** Like Date.now(), not setTimeout. */\n// fetch later\nexport const x = 1;",
    ],
    ["forbidden words in strings", "wire/a.ts", "const x = \"Date.now()\" + 'fetch(1)' + `Math.random() ${1} Date`;"],
    ["a property with such a name", "model/a.ts", "export interface A { readonly fetch: number }\nconst y = a.fetch;"],
    ["the test kit using any folder", "testing/a.ts", 'import { x } from "../node/index.ts";'],
    ["a test that reaches into its folder", "mesh/a.test.ts", 'import { x } from "../testing/index.ts";\nDate.now();'],
    ["an at sign inside a template", "cli/a.ts", "const help = `\n@name  the agent\n`;"],
    ["a long file of comments", "cli/a.ts", "// Why.\n\n".repeat(CODE_LINES_MAX + 1)],
  ];

  test.each(FINE)("%s", (_, path, text) => {
    expect(violationsOf(path, text)).toEqual([]);
  });
});

describe("the scanner", () => {
  test("keeps line numbers and code while it drops comments", () => {
    const source = 'a(); // one\n/* two\n three */ b("// not one");\nc(`/* ${d /* e */} */`);';
    const stripped = stripComments(source);
    expect(stripped.split("\n")).toHaveLength(4);
    expect(stripped.replaceAll(/ +/g, " ")).toBe('a(); \n \n b("// not one");\nc(`/* ${d } */`);');
  });

  test("is not thrown off by quotes and slashes in regular expressions, nor by division", () => {
    const source = "const a = /[\"'`/]\\/\\//.test(b); const c = d / 2; // e\nconst f = 'g' / 1; h();";
    expect(stripComments(source)).toBe(source.replace("// e", "    "));
    expect(stripStrings("x('a\\'b', \"c\", `d${`e` + f}g`)")).toBe("x('    ', \" \", `  {` ` + f} `)");
  });

  test("sees every form of import", () => {
    const code = [
      'import a, { b } from "./1.ts";',
      'import type { C } from "./2.ts";',
      'export { d } from "./3.ts";',
      'import "./4.ts";',
      'await import("./5.ts");',
      'new Worker(new URL("./6.ts", import.meta.url));',
      "import {\n  e,\n} from './7.ts';",
    ].join("\n");
    expect(importsOf(code).toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7].map((number) => `./${number}.ts`));
  });
});
