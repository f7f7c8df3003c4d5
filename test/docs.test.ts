import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { FRAME_TYPES } from "../packages/easynet/src/wire/index.ts";
import { LAYERS, PURE_FOLDERS } from "../scripts/layers.ts";
import { readFiles, ROOT, type SourceFile } from "./source-files.ts";

const DOCS = ["docs", "packages/easynet", "examples", "bench", "suites", "test"];

interface Snippet {
  /** E.g. `README.md:34`, the line of the fence. */
  readonly place: string;
  readonly code: string;
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function documents(): readonly SourceFile[] {
  const inRoot = readFiles(".", ".md").filter(({ path }) => !path.includes("/"));
  return [...inRoot, ...DOCS.flatMap((folder) => readFiles(folder, ".md"))];
}

function snippetsOf({ path, text }: SourceFile): readonly Snippet[] {
  return [...text.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```$/gm)].map(({ index, 1: code = "" }) => ({
    place: `${path}:${text.slice(0, index).split("\n").length}`,
    // Documents for contributors may import from the sources, relative to themselves.
    code: code.replace(/(from ")(\.{1,2}\/[^"]+)(")/g, (_, before: string, target: string) => {
      return `${before}${join(ROOT, dirname(path), target)}"`;
    }),
  }));
}

/** Relative links and images of a document, without their anchors. */
function linksOf({ text }: SourceFile): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

describe("the documents", () => {
  test("contain TypeScript that compiles against the package", async () => {
    // Snippets use what people import; before the SDK exists there is nothing to check them against.
    if (!existsSync(join(ROOT, "packages/easynet/src/sdk/index.ts"))) return;
    const snippets = documents().flatMap(snippetsOf);
    expect(snippets.length).toBeGreaterThan(0);
    expect(await compile(snippets)).toEqual([]);
  }, 60_000);

  test("link only to files that exist", () => {
    const broken = documents().flatMap((document) =>
      linksOf(document)
        .filter((target) => !existsSync(join(ROOT, dirname(document.path), target)))
        .map((target) => `${document.path} -> ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test("give a row to every frame of the protocol", () => {
    const table = textOf("docs/protocol/frames.md");
    const rows = [...table.matchAll(/^\| (\d+)(?:–(\d+))? /gm)].map(([, first, last]) => [
      Number(first),
      Number(last ?? first),
    ]);
    const missing = Object.entries(FRAME_TYPES).filter(
      ([, type]) => !rows.some(([first = 0, last = 0]) => type >= first && type <= last),
    );
    expect(missing).toEqual([]);
  });

  test("tell of every command", () => {
    const names = [...textOf("packages/easynet/src/cli/program.ts").matchAll(/\bname: "([a-z]+)"/g)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(20);
    const page = textOf("docs/cli.md");
    expect(names.filter((name) => !new RegExp(`\`${name}\\b`).test(page))).toEqual([]);
  });

  test("name in code style only files and folders of the repository that exist", () => {
    const broken = documents().flatMap(({ path, text }) =>
      [
        ...text
          .replace(/^```[\s\S]*?^```$/gm, "")
          .matchAll(/`((?:packages|test|scripts|docs|bench|suites|\.ci)\/[\w./-]*)`/g),
      ]
        .map(([, target = ""]) => target)
        .filter((target) => !existsSync(join(ROOT, target)))
        .map((target) => `${path} -> ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test("draw the same layers as scripts/layers.ts", () => {
    const text = documents().find(({ path }) => path === "docs/architecture.md")?.text ?? "";
    const rows = [...text.matchAll(/^\| (\d+) +\| `(\w+)\/` +\|[^|]*\| *(yes)? *(?:cores)? *\|$/gm)];
    const drawn = rows.map(([, row, folder, pure]) => `${row} ${folder}${pure === undefined ? "" : " pure"}`);
    const built = LAYERS.flatMap((row, index) =>
      row.map((folder) => `${index} ${folder}${PURE_FOLDERS.includes(folder) ? " pure" : ""}`),
    );
    expect(drawn).toEqual(built);
  });

  test("give a reason for every dependency, and for none that is gone", async () => {
    const { default: root } = await import("../package.json", { with: { type: "json" } });
    const { default: product } = await import("../packages/easynet/package.json", { with: { type: "json" } });
    const lists = [root.devDependencies, root.optionalDependencies, product.dependencies, product.devDependencies];
    const text = documents().find(({ path }) => path === "DEPENDENCIES.md")?.text ?? "";
    const cells = [...text.matchAll(/^\| (`[^|]*`) +\|/gm)].map(([, cell = ""]) => cell);
    const explained = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
    expect(explained.toSorted()).toEqual(lists.flatMap((list) => Object.keys(list)).toSorted());
  });

  test("and the sources name no folder of anybody's machine", () => {
    const kinds = [".ts", ".md", ".mjs", ".json", ".yaml", ".yml", ".py", ".sh"];
    const files = kinds.flatMap((kind) => readFiles(".", kind)).filter(({ path }) => path !== "test/docs.test.ts");
    const found = files.filter(({ text }) =>
      /(?<![\w.~}/])\/(?:root|home|Users|work|mnt)\/(?!me\/)[A-Za-z]/.test(text),
    );
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  test("name only npm scripts that exist", async () => {
    const { default: root } = await import("../package.json", { with: { type: "json" } });
    const named = documents().flatMap(({ path, text }) =>
      [...text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, script = ""]) => ({ path, script })),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter(({ script }) => !Object.hasOwn(root.scripts, script))).toEqual([]);
  });
});

/** Type-checks all snippets in one run of the compiler; each complaint names the place in the document. */
async function compile(snippets: readonly Snippet[]): Promise<readonly string[]> {
  const folder = join(ROOT, "node_modules", ".cache", "easynet-snippets");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const files = snippets.map((_, index) => `snippet-${index}.ts`);
  await Promise.all(snippets.map(({ code }, index) => writeFile(join(folder, files[index] ?? ""), code)));
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      noUnusedLocals: false,
      noUnusedParameters: false,
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
    },
    include: [],
    files,
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  // One thread: several would each work out the types of the whole package for themselves.
  const options = ["-p", folder, "--pretty", "false", "--singleThreaded"];
  const output = await promisify(execFile)(process.execPath, [compiler, ...options], { cwd: folder }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string; message: string }) => error.stdout ?? error.message,
  );
  // Errors in the sources of the package are the business of `npm run check`.
  return output.split("\n").flatMap((line) => {
    const [, index, row, message = ""] = /^snippet-(\d+)\.ts\((\d+),\d+\): (.*)$/.exec(line) ?? [];
    return index === undefined ? [] : [`${snippets[Number(index)]?.place}, its line ${row}: ${message}`];
  });
}
