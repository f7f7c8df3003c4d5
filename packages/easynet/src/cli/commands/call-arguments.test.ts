import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CliContext } from "../cli-context.ts";
import { parseArgument, parseNamedArguments } from "./call-arguments.ts";

const context = new CliContext(process, "en");

describe("words of the command line", () => {
  test.each([
    ["1", 1],
    ["true", true],
    ['{"a":[1]}', { a: [1] }],
    ['"1"', "1"],
    ["plain text", "plain text"],
    ["{not json", "{not json"],
    ["", ""],
    ["@@alice", "@alice"],
    ['"@alice"', "@alice"],
    ["你好", "你好"],
  ])("%j is %j", (word, value) => {
    expect(parseArgument(word, context)).toEqual(value);
  });

  test("@FILE is the bytes of the file, and says so when there is none", () => {
    const folder = mkdtempSync(join(tmpdir(), "easynet-cli-"));
    const file = join(folder, "photo");
    writeFileSync(file, new Uint8Array([0, 255]));
    expect(parseArgument(`@${file}`, context)).toEqual({ $bytes: "AP8=" });
    rmSync(folder, { recursive: true });
    expect(() => parseArgument(`@${file}`, context)).toThrow("cannot be read");
  });

  test("named arguments are an object or refused", () => {
    expect(parseNamedArguments('{"a":1}', context)).toEqual({ a: 1 });
    for (const text of ["[1]", "1", "null", "{", ""]) {
      expect(() => parseNamedArguments(text, context)).toThrow("--kwargs is not a JSON object");
    }
  });
});
