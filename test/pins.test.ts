import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ERROR_TABLE } from "../packages/easynet/src/kernel/index.ts";
import { FRAME_TYPES } from "../packages/easynet/src/wire/index.ts";
import pins from "./pins.json" with { type: "json" };
import { ROOT } from "./source-files.ts";
import { stripComments } from "./strip-source.ts";

/**
 * What others build on. A red pin is not a mistake by itself, but it must be deliberate: change test/pins.json in the
 * same commit, by hand, and say in CHANGELOG.md what callers have to do.
 */
function exportedNames(path: string): readonly string[] {
  const code = stripComments(readFileSync(join(ROOT, "packages/easynet", path), "utf8"));
  const lists = [...code.matchAll(/export\s+(type\s+)?\{([^}]*)\}/g)];
  return lists
    .flatMap(([, type, list = ""]) =>
      list
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "")
        .map((name) => (type === undefined ? name : `type ${name}`)),
    )
    .map((name) => name.replace(/^(type )?.* as /, "$1"))
    .toSorted();
}

describe("the public surface", () => {
  test.each(["src/index.ts", "src/testing/index.ts"])("%s is a list of names and nothing else", (path) => {
    const code = stripComments(readFileSync(join(ROOT, "packages/easynet", path), "utf8"));
    expect(code.replace(/export\s+(type\s+)?\{[^}]*\}\s*from\s*"[^"]+";/g, "").trim()).toBe("");
  });

  test("easynet exports exactly these names", () => {
    expect(exportedNames("src/index.ts")).toEqual(pins.easynet);
  });

  test("easynet/testing exports exactly these names", () => {
    expect(exportedNames("src/testing/index.ts")).toEqual(pins["easynet/testing"]);
  });

  test("has these error codes; a code is never renamed and never changes its status", () => {
    const codes = Object.entries(ERROR_TABLE).map(([code, { status }]) => [code, status] as const);
    expect(Object.fromEntries(codes)).toEqual(pins.errorCodes);
  });

  test("has these frame types; a number is never used again", () => {
    expect(FRAME_TYPES).toEqual(pins.frameTypes);
  });
});
